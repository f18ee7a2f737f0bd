'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require tandem.daemon as daemon';
'require tandem.values as values';

/*
 * What most never need. Each field stands here by name; its range, choices and
 * default come from the daemon, and one that the daemon does not know is not
 * shown.
 */
const fields = {
	tandem: () => [
		[ 'lan', _('LAN devices'), _('Devices whose hosts are served.') ],
		[ 'on_failure', _('When no concentrator answers'), _('direct: connect without Tandem. refuse: end the connection.') ],
		[ 'accept', _('Accept connections'), _('early: at once. faithful: when the server has, so that programs see its refusals.') ],
		[ 'first_byte', _('First bytes'), _('How a request reaches the concentrator: auto is best where nothing is wrong.') ],
		[ 'first_data_wait', _('Wait for the first bytes'), _('Milliseconds that a host gets to speak, where the request travels in the first packet.') ],
		[ 'server_first_port', _('Ports where the server speaks first'), _('No such wait there.') ],
		[ 'connect_timeout', _('Answer time of a concentrator'), _('Milliseconds; then the connection goes direct.') ],
		[ 'max_flows', _('Connections at a time'), _('More go direct.') ],
		[ 'memory_limit', _('Memory'), _('MiB that the daemon should stay below; 0 goes by the size of this router.') ],
		[ 'gc_percent', _('Garbage'), _('Percent of the memory in use that may pile up before it is collected; 0 goes by the size of this router.') ],
		[ 'quic', _('QUIC'), _('refuse makes browsers use TCP, which Tandem can carry over all lines.') ],
		[ 'log_level', _('Log'), '' ],
		[ 'port', _('Local port'), _('Of the transparent listener.') ],
		[ 'control', _('Control socket'), '' ],
	],
	concentrator: () => [
		[ 'enabled', _('Use'), '' ],
		[ 'address', _('Addresses'), '' ],
		[ 'port', _('Port'), '' ],
		[ 'mode', _('How connections reach it'), _('explicit: by a request. on-path: it stands on the way of the primary line and takes them over, without a key.') ],
		[ 'forwards', _('May name LAN hosts'), _('Its operator may choose which LAN host a connection from outside reaches.') ],
		[ 'key', _('Name of the key'), _('Written by pairing. The key itself is in a file that is never shown.') ],
	],
	wan: () => [
		[ 'rate_down', _('Rate down'), _('kbit/s that the line can carry, for overflow; 0: that is learnt.') ],
		[ 'rate_up', _('Rate up'), _('kbit/s that the line can carry, for overflow; 0: that is learnt.') ],
		[ 'quota_warning', _('Warn from'), _('Percent of the quota.') ],
	],
	rule: () => [
		[ 'enabled', _('Use'), '' ],
		[ 'host', _('LAN host'), _('Address, network or MAC address.') ],
		[ 'destination', _('Destination'), _('Address or network.') ],
		[ 'port', _('Port'), _('One or a range.') ],
		[ 'dscp', _('DSCP'), '' ],
		[ 'proto', _('Protocol'), '' ],
		[ 'action', _('Action'), _('How to use the lines; bypass: go direct; refuse: turn down.') ],
	],
	redirect: () => [
		[ 'enabled', _('Use'), '' ],
		[ 'src_dport', _('Port outside'), _('Of the concentrator, one or a range; its operator must have granted it.') ],
		[ 'dest_ip', _('LAN host'), _('Address of the device that is to be reached.') ],
		[ 'dest_port', _('Port of the LAN host'), _('Empty: the same.') ],
		[ 'source', _('Whom it sees'), _('remote: the caller. router: this router.') ],
	],
	bypass: () => [
		[ 'destination', _('Destinations'), _('Servers by address or network.') ],
		[ 'port', _('Ports'), _('Of servers, one or a range.') ],
		[ 'host', _('LAN hosts'), _('By address, network or MAC address.') ],
	],
};

/*
 * entries is what a list holds now, and what is typed but not taken into it,
 * which LuCI would drop without a word. LuCI throws while it draws a form anew,
 * at the blur of what it removes.
 */
function entries(o, section_id) {
	const typed = o.map.findElement('id', o.cbid(section_id))?.querySelector('.add-item input')?.value ?? '';
	try { return [ typed ].concat(o.formvalue(section_id) ?? []); }
	catch (e) { return []; }
}

/* fits says what the daemon would: a rule is for something, and for something that there is. */
function fits(section, section_id) {
	const list = name => {
		try { return [].concat(section.formvalue(section_id, name) ?? []); }
		catch (e) { return []; }
	};
	const hosts = list('host'), destinations = list('destination'), v6 = text => text.includes(':');
	if (!hosts.length && !destinations.length && !list('port').length && !list('dscp').length)
		return _('This rule would be for everything: name a host, a destination, a port or a DSCP.');
	if (section.formvalue(section_id, 'proto') == 'udp' && ![ 'bypass', 'refuse' ].includes(section.formvalue(section_id, 'action')))
		return _('A way to use the lines is for TCP only.');
	const mac = text => values.check({ kind: 'prefix' }, text) != null;
	if (hosts.length && destinations.length && !hosts.some(h => mac(h) || destinations.some(d => v6(h) == v6(d))))
		return _('This rule is for nothing: its hosts are of one IP version, its destinations of the other.');
	return true;
}

/* field makes the form option of one row. */
function field(s, [ name, title, description ], option) {
	const kind = option.list ? form.DynamicList : option.kind == 'bool' ? form.Flag : option.kind == 'choice' ? form.ListValue : form.Value;
	const o = s.option(kind, name, title, description);
	const initial = option.default ?? [];

	if (option.kind == 'choice') {
		for (const choice of option.choices)
			o.value(choice);
		if (!initial.length)
			o.optional = true;
	}
	if (option.kind == 'bool' || (option.kind == 'choice' && initial.length))
		o.default = initial[0];
	else {
		o.placeholder = initial.join(', ');
		o.optional = true;
	}
	if (option.kind == 'bool')
		o.rmempty = (initial[0] != '1');

	/*
	 * LuCI's list takes an entry unseen when it is pasted by mouse and ended with
	 * Enter; it asks with an empty value then. So the whole list is looked at.
	 */
	const one = values.validator(option);
	o.validate = function(section_id, value) {
		const all = option.list ? entries(this, section_id) : [];
		for (const text of [ value, ...all ]) {
			const said = one(section_id, text);
			if (said !== true)
				return said;
		}
		return (name == 'address' && all.filter(text => text).length > option.max) ? _('At most %d.').format(option.max) : true;
	};
	return o;
}

return view.extend({
	load() {
		return Promise.all([ daemon.ask('schema'), uci.load('tandem') ]);
	},

	render([ schema ]) {
		if (schema.fault)
			return E('div', { 'class': 'tandem' }, [
				E('h2', {}, [ _('Tandem: advanced') ]),
				E('div', { 'class': 'alert-message warning', role: 'status' }, E('p', {}, [ daemon.sentence(schema.fault) ])),
			]);

		const known = schema.data.sections;
		const m = this.map = new form.Map('tandem', _('Tandem: advanced'), _('Nothing here needs a change for Tandem to work. An empty field means the value shown in grey.'));
		const fill = (s, type, more) => {
			for (const row of fields[type]().filter(row => known[type]?.[row[0]])) {
				const o = field(s, row, known[type][row[0]]);
				more?.(o, row[0]);
			}
		};

		if (!uci.get('tandem', 'main'))
			uci.add('tandem', 'tandem', 'main');
		fill(m.section(form.NamedSection, 'main', 'tandem', _('Daemon')), 'tandem');

		const grid = (type, title, description) => {
			const s = m.section(form.GridSection, type, title, description);
			s.addremove = true;
			s.sortable = true;
			s.nodescriptions = true;
			return s;
		};

		let s = grid('concentrator', _('Concentrators'), _('Tried in this order. Pair on the page Setup to add one with a key.'));
		s.modaltitle = _('Concentrator');
		fill(s, 'concentrator', (o, name) => {
			if (name == 'key')
				o.readonly = true;
			if (name == 'port')
				o.default = o.placeholder;
			if (name == 'address')
				o.optional = false, o.rmempty = false;
		});

		s = m.section(form.GridSection, 'wan', _('Lines'));
		s.nodescriptions = true;
		s.modaltitle = _('Line');
		fill(s, 'wan');

		if (known.rule) {
			s = grid('rule', _('Rules'), _('The first that fits a connection decides.'));
			s.anonymous = true;
			s.modaltitle = _('Rule');
			fill(s, 'rule', (o, name) => {
				if (name != 'action')
					return;
				o.optional = o.rmempty = false;
				o.validate = function(section_id) { return fits(this.section, section_id); };
			});
		}

		if (known.redirect) {
			s = grid('redirect', _('Connections from outside'), _('Ports of the concentrator that lead to devices of the LAN.'));
			s.anonymous = true;
			s.modaltitle = _('Connection from outside');
			fill(s, 'redirect', (o, name) => {
				if (name == 'src_dport' || name == 'dest_ip')
					o.optional = o.rmempty = false;
			});
		}

		s = grid('bypass', _('Never through Tandem'), _('Connections that go direct, over one line. Private networks always do.'));
		s.anonymous = true;
		s.modaltitle = _('Never through Tandem');
		fill(s, 'bypass');

		return m.render().then(node => values.label(node));
	},

	handleSave() {
		return this.map.save(null, true).catch(tell);
	},

	handleSaveApply(ev, mode) {
		return this.map.save(null, true).then(() => ui.changes.apply(mode == '0'), tell);
	}
});

/* tell says why nothing was saved; the field says it too. */
function tell(err) {
	ui.addNotification(null, E('p', {}, [ err?.message || _('A value is not valid. What is wrong is said at the field.') ]), 'danger');
}
