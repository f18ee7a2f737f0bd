'use strict';
'require baseclass';
'require tandem.daemon as daemon';
'require tandem.words as words';

/* Tandem on LuCI's overview page: one row a line. Hidden where it is not set up. */

return baseclass.extend({
	title: _('Tandem'),

	load() {
		return daemon.ask('status');
	},

	render(answer) {
		if (answer?.fault)
			return [ 'not-running', 'old', 'forbidden' ].includes(answer.fault.kind) ? null : E('p', {}, [ daemon.sentence(answer.fault) ]);

		const s = answer.data, far = s.concentrators.find(c => c.active && c.up);
		return E('div', { 'class': 'tandem' }, [
			E('link', { rel: 'stylesheet', href: L.resource('tandem/tandem.css') }),
			E('table', { 'class': 'table' }, [
				E('tr', { 'class': 'tr table-titles' }, [ _('Line'), _('State'), _('Down'), _('Up'), _('Round trip') ]
					.map(t => E('th', { 'class': 'th' }, [ t ]))),
				...s.lines.map(l => E('tr', { 'class': 'tr' }, [
					E('td', { 'class': 'td', 'data-title': _('Line') }, [ l.name ]),
					E('td', { 'class': 'td %s'.format(l.up ? 't-good' : 't-bad'), 'data-title': _('State') }, [ '%s %s'.format(words.sign(l.state), words.state(l.state)) ]),
					E('td', { 'class': 'td', 'data-title': _('Down') }, [ words.rate(l.down) ]),
					E('td', { 'class': 'td', 'data-title': _('Up') }, [ words.rate(l.upload) ]),
					E('td', { 'class': 'td', 'data-title': _('Round trip') }, [ words.time(l.rtt) ]),
				])),
			]),
			E('p', {}, [ far ? _('%d connections through concentrator “%s”').format(s.open, far.name)
				: _('No concentrator answers. Connections go direct, over one line, until one does.') ]),
		]);
	}
});
