'use strict';
'require view';
'require form';
'require rpc';
'require uci';
'require ui';
'require tandem.daemon as daemon';
'require tandem.pairing as pairing';
'require tandem.values as values';
'require tandem.words as words';

const interfaces = rpc.declare({ object: 'network.interface', method: 'dump', expect: { interface: [] } });

/* Protocols whose traffic is usually paid for by volume. */
const cellular = [ 'qmi', 'mbim', 'ncm', '3g', 'wwan', 'modemmanager', 'directip', 'fm350' ];

/* Protocols of lines, which are known as such while they are down. */
const dialled = [ ...cellular, 'dhcp', 'pppoe', 'pppoa', 'l2tp', 'pptp' ];

const leadsOut = route => (route?.target == '0.0.0.0' || route?.target == '::') && route.mask == 0;

/* The interfaces of this router that lead to the Internet, the preferred first. */
function uplinks(dump) {
	const found = [];
	for (const i of dump) {
		if (typeof(i?.interface) != 'string' || values.check({ kind: 'interface' }, i.interface) || i.interface == 'loopback')
			continue;
		const routes = [ ...(i.route ?? []), ...(i.inactive?.route ?? []) ].filter(leadsOut);
		if (!routes.length && (i.up || !dialled.includes(i.proto)))
			continue;
		const device = i.l3_device ?? i.device;
		/* wan6 of wan: the same line a second time */
		if (device && found.some(f => f.device == device))
			continue;
		found.push({
			name: i.interface, device, up: i.up === true, metric: i.metric ?? routes[0]?.metric ?? 0,
			metered: cellular.includes(i.proto) || /^(wwan|usb)\d/.test(device ?? ''),
		});
	}
	return found.sort((a, b) => a.metric - b.metric);
}

/*
 * Lines get a section each: those of the file, and those found on the router.
 * On a fresh install all are taken into use; later finds are offered only.
 */
function offer(found) {
	const have = uci.sections('tandem', 'wan'), fresh = !have.length, added = [];
	for (const f of found) {
		if (have.some(w => w.interface == f.name || (w.device && w.device == f.device)))
			continue;
		let name = f.name;
		while (uci.get('tandem', name))
			name += '_';
		uci.add('tandem', 'wan', name);
		uci.set('tandem', name, 'interface', f.name);
		uci.set('tandem', name, 'enabled', fresh ? '1' : '0');
		if (f.metered)
			uci.set('tandem', name, 'metered', '1');
		added.push(name);
	}
	return added;
}

/* One sentence for each way to use the lines. */
const modes = {
	bond: () => _('All lines at once: each download gets the speed of all together.'),
	overflow: () => _('The preferred line first; the others help when it is full. Saves volume on the others.'),
	failover: () => _('The preferred line alone; another takes over when it fails.'),
	'lowest-delay': () => _('The line that answers fastest; for calls and games.'),
};

return view.extend({
	load() {
		return Promise.all([
			daemon.ask('schema'),
			L.resolveDefault(interfaces(), []),
			uci.load('tandem'),
		]);
	},

	render([ schema, dump ]) {
		if (schema.fault)
			return E('div', { 'class': 'tandem' }, [
				E('h2', {}, [ _('Tandem') ]),
				E('div', { 'class': 'alert-message warning', role: 'status' }, E('p', {}, [ daemon.sentence(schema.fault) ])),
			]);

		const options = schema.data.sections, found = uplinks(dump);
		if (!uci.get('tandem', 'main'))
			uci.add('tandem', 'tandem', 'main');
		this.added = L.hasViewPermission() ? offer(found) : [];
		this.paired = uci.sections('tandem', 'concentrator').filter(c => c.key).length > 0;

		const m = this.map = new form.Map('tandem', _('Tandem'),
			_('Uses several access lines of this router at once, with the help of a concentrator in the Internet.'));

		this.main(m.section(form.NamedSection, 'main', 'tandem'), options.tandem);
		this.lines(m, options.wan, found);

		return m.render().then(node => E('div', { 'class': 'tandem' }, [
			E('link', { rel: 'stylesheet', href: L.resource('tandem/tandem.css') }),
			values.label(node),
		]));
	},

	main(s, options) {
		let o = this.paste = s.option(form.TextValue, '_line', _('Pairing line'),
			_('The line that begins with tandem:// and that the concentrator printed. It holds a key: give it to nobody else.'));
		o.rows = 4;
		o.wrap = 'soft';
		o.placeholder = this.paired ? _('This router is paired. Paste a new line to pair it again.') : 'tandem://…';
		o.cfgvalue = () => '';
		o.write = o.remove = () => {};
		o.validate = (section_id, text) => {
			if (!text || text.trim() == '')
				return true;
			return pairing.check(text).error ?? true;
		};
		o.renderWidget = function(section_id, option_index, cfgvalue) {
			const node = form.TextValue.prototype.renderWidget.call(this, section_id, option_index, cfgvalue);
			const box = node.querySelector('textarea'), said = E('p', { 'class': 'tandem-said', role: 'status' });
			for (const name of [ 'autocomplete', 'autocapitalize' ])
				box.setAttribute(name, 'off');
			box.setAttribute('spellcheck', 'false');
			box.setAttribute('aria-label', _('Pairing line'));
			box.classList.add('tandem-paste');
			box.addEventListener('input', () => tell(said, box.value));
			return E('div', {}, [ node, said ]);
		};

		o = s.option(form.Flag, 'enabled', _('Use Tandem'), _('Switched off, every connection goes over one line, as without Tandem.'));
		o.default = options.enabled.default?.[0];
		o.rmempty = false;

		if (options.mode) {
			o = s.option(form.ListValue, 'mode', _('How to use the lines'));
			for (const mode of options.mode.choices)
				if (modes[mode])
					o.value(mode, words.mode(mode));
			o.default = options.mode.default?.[0];
			o.description = E('ul', {}, options.mode.choices.filter(c => modes[c])
				.map(c => E('li', {}, [ E('strong', {}, [ words.mode(c) ]), ': ', modes[c]() ]))).outerHTML;
		}
	},

	lines(m, options, found) {
		const s = m.section(form.TableSection, 'wan', _('Lines'),
			_('The lines of this router that lead to the Internet. The first one that is preferred carries new connections.'));
		s.anonymous = false;
		s.addremove = false;
		s.sortable = true;

		let o = s.option(form.Flag, 'enabled', _('Use'));
		o.default = options.enabled.default?.[0];
		o.rmempty = false;

		o = s.option(form.DummyValue, '_where', _('Interface'));
		o.cfgvalue = id => {
			const name = uci.get('tandem', id, 'interface') ?? uci.get('tandem', id, 'device'), f = found.find(f => f.name == name || f.device == name);
			return !f ? '%s (%s)'.format(name ?? '–', _('not found')) : f.up ? name : '%s (%s)'.format(name, _('down'));
		};

		o = s.option(form.ListValue, 'role', _('Role'));
		o.value('', _('by order'));
		for (const role of options.role.choices)
			o.value(role, words.role(role));
		o.optional = true;
		o.validate = () => this.oneInUse(s);

		o = s.option(form.Flag, 'metered', _('Metered'));
		o.default = options.metered.default?.[0];

		if (options.quota) {
			o = s.option(form.Value, 'quota', _('Quota a month'));
			o.placeholder = _('none');
			o.optional = true;
			o.validate = values.validator(options.quota);
		}
		if (options.reset_day) {
			o = s.option(form.Value, 'reset_day', _('Starts anew on day'));
			o.placeholder = options.reset_day.default?.[0];
			o.optional = true;
			o.validate = values.validator(options.reset_day);
		}
		if (options.quota_action) {
			o = s.option(form.ListValue, 'quota_action', _('When used up'));
			for (const action of options.quota_action.choices)
				o.value(action, action == 'off' ? _('off') : words.role(action));
			o.default = options.quota_action.default?.[0];
		}
	},

	/* All lines on standby is what the daemon refuses. */
	oneInUse(s) {
		const used = s.cfgsections().filter(id => s.formvalue(id, 'enabled') != '0');
		return (used.length && used.every(id => s.formvalue(id, 'role') == 'standby'))
			? _('One line must not be on standby.') : true;
	},

	/* Lines that were found but not taken into use leave no trace. */
	prune() {
		for (const id of this.added ?? [])
			if (uci.get('tandem', id, 'enabled') === '0')
				uci.remove('tandem', id);
	},

	/*
	 * The line goes to the router in one call, is stored there, and never
	 * comes back. It is sent when all else on the page is valid.
	 */
	pair() {
		const line = (this.paste.formvalue('main') ?? '').trim();
		if (!line)
			return Promise.resolve();

		return daemon.ask('join', line).then(answer => {
			if (answer.fault) {
				const why = daemon.sentence(answer.fault);
				const box = document.querySelector('.tandem-paste');
				if (box)
					say(box.closest('.cbi-value-field, .td').querySelector('.tandem-said'), why, false);
				throw new Error(why);
			}
			this.paste.getUIElement('main').setValue('');
			/* the daemon switches on with its first concentrator; the page must not switch it off */
			if (answer.data.enabled)
				uci.set('tandem', 'main', 'enabled', '1');
			ui.addNotification(null, E('p', {}, [ _('Paired with the concentrator as “%s”.').format(answer.data.client ?? '') ]), 'info');
		});
	},

	handleSaveApply(ev, mode) {
		return this.map.save(() => this.pair().then(() => this.prune()), true)
			.then(() => uci.changes())
			.then(changes => Object.keys(changes ?? {}).length ? ui.changes.apply(mode == '0') : null)
			.catch(err => {
				ui.addNotification(null, E('p', {}, [ err?.message || _('A value is not valid. What is wrong is said at the field.') ]), 'danger');
			});
	},

	handleSave: null
});

/* tell says what a typed line is, in words. */
function tell(node, text) {
	if (text.trim() == '')
		return say(node, '', true);
	const r = pairing.check(text);
	if (r.error)
		return say(node, r.error, false);
	const where = r.host ?? r.addresses.map(a => a.includes(':') ? '[%s]'.format(a) : a).join(', ');
	say(node, _('The line is whole: concentrator %s, port %d, which knows this router as “%s”.').format(where, r.port, r.client), true);
}

function say(node, text, good) {
	node.className = 'tandem-said %s'.format(text ? (good ? 't-good' : 't-bad') : '');
	node.textContent = text ? '%s %s'.format(good ? '✓' : '✕', text) : '';
}
