'use strict';
'require view';
'require poll';
'require rpc';
'require uci';
'require dom';
'require tandem.daemon as daemon';
'require tandem.path as path';
'require tandem.graph as graph';
'require tandem.flowtable as flowtable';
'require tandem.words as words';

const every = 3;      /* seconds between two looks */
const most = 200;     /* connections in the list */
const slow = 4000;    /* milliseconds after which the page says that it waits */

const hostHints = rpc.declare({ object: 'luci-rpc', method: 'getHostHints', expect: { '': {} } });

/* Names of LAN hosts by address. */
function names(hints) {
	const by = {};
	for (const mac in hints) {
		const h = hints[mac] ?? {};
		if (typeof(h.name) == 'string')
			for (const ip of [ ...(h.ipaddrs ?? []), ...(h.ip6addrs ?? []) ])
				by[ip] = h.name.slice(0, 64);
	}
	return by;
}

return view.extend({
	load() {
		return Promise.all([
			L.resolveDefault(hostHints(), {}),
			L.resolveDefault(uci.load('tandem'), null),
			daemon.ask('status', most),
			daemon.ask('validate'),
		]);
	},

	render([ hints, config, status, validity ]) {
		flowtable.setup(names(hints));
		this.enabled = [ '1', 'on', 'true', 'yes', 'enabled' ].includes(uci.get('tandem', 'main', 'enabled'));
		this.paired = uci.sections('tandem', 'concentrator').length > 0;

		this.notice = E('div', { role: 'status' });
		this.live = E('div', { 'class': 't-hidden' });
		this.page = E('div', { 'class': 'tandem' }, [
			E('link', { rel: 'stylesheet', href: L.resource('tandem/tandem.css') }),
			E('h2', {}, [ _('Tandem') ]),
			this.notice,
			this.live,
		]);

		if (validity.data && !validity.data.valid)
			this.fault = _('The saved configuration has an error, and the one before it stays in force: %s').format(validity.data.reason);

		this.update(status);
		poll.add(() => this.look(), every);
		document.addEventListener('visibilitychange', () => this.look());
		return this.page;
	},

	/* look asks once and shows what came. A hidden tab asks nothing. */
	look() {
		if (document.hidden || this.looking)
			return this.looking;

		const waiting = window.setTimeout(() => this.say('warning', _('The router is slow to answer. What is shown may be old.')), slow);
		this.looking = daemon.ask('status', most)
			.then(status => this.update(status))
			.finally(() => {
				window.clearTimeout(waiting);
				this.looking = null;
			});
		return this.looking;
	},

	say(kind, text, link) {
		const key = kind + text;
		if (this.said === key)
			return;
		this.said = key;
		dom.content(this.notice, text ? E('div', { 'class': 'alert-message %s'.format(kind) }, [
			E('p', {}, [ text ]),
			link ? E('p', {}, E('a', { 'class': 'btn cbi-button', href: L.url('admin/services/tandem/setup') }, [ link ])) : '',
		]) : '');
	},

	update(status) {
		if (status.fault) {
			path.show(this.live, false);
			if (status.fault.kind == 'not-running' && !this.paired)
				this.say('notice', _('This router is not paired with a concentrator yet.'), _('Set it up'));
			else if (status.fault.kind == 'not-running' && !this.enabled)
				this.say('notice', _('Tandem is switched off. Connections go direct, over one line.'), _('Switch it on'));
			else
				this.say('warning', daemon.sentence(status.fault));
			return;
		}

		const s = status.data;
		const key = JSON.stringify([ s.lines.map(l => l.name) ]);
		if (this.drawn !== key) {
			this.drawn = key;
			this.build(s);
		}
		path.show(this.live, true);

		const down = s.concentrators.length && !s.concentrators.some(c => c.up);
		if (this.fault)
			this.say('error', this.fault);
		else if (!s.lines.length)
			this.say('warning', _('No line is set up.'), _('Set it up'));
		else if (down)
			this.say('warning', _('No concentrator answers. Connections go direct, over one line, until one does.'));
		else
			this.say('', '');

		path.update(s);
		graph.push(Date.now() / 1000, s.lines);
		this.totals(s);
		if (s.flows)
			flowtable.update(s.flows, s.lines);
	},

	build(s) {
		this.figures = { saved: E('td', { 'class': 'td left' }), direct: E('td', { 'class': 'td left' }), version: E('td', { 'class': 'td left' }) };
		const row = (title, cell) => E('tr', { 'class': 'tr' }, [ E('td', { 'class': 'td left', width: '33%' }, [ title ]), cell ]);

		dom.content(this.live, [
			E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('Path') ]), path.node(s.lines, s.concentrators) ]),
			E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('Rates') ]), graph.node(s.lines) ]),
			E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('Connections') ]), E('table', { 'class': 'table' }, [
				row(_('Opened without an extra round trip'), this.figures.saved),
				row(_('Gone direct since the start'), this.figures.direct),
				row(_('Version'), this.figures.version),
			]), flowtable.node() ]),
		]);
	},

	totals(s) {
		const hits = s.concentrators.reduce((n, c) => n + (c.hits ?? 0), 0), total = s.concentrators.reduce((n, c) => n + (c.total ?? 0), 0);
		path.put(this.figures.saved, total ? _('%d %% of %d').format(Math.round(100 * hits / total), total) : '–');
		path.put(this.figures.direct, _('%d of %d').format(s.direct, s.accepted));
		path.put(this.figures.version, s.version || '–');
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
