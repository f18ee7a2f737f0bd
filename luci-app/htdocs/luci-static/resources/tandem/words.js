'use strict';
'require baseclass';

/* Numbers and states in words, the same on every page. */

const units = [ '', 'k', 'M', 'G', 'T' ];

function scaled(n, unit, digits) {
	let i = 0;
	while (n >= 1000 && i < units.length - 1) {
		n /= 1000;
		i++;
	}
	return '%s\u202f%s%s'.format(n.toFixed((i == 0 || n >= 100) ? 0 : digits), units[i], unit);
}

return baseclass.extend({
	rate: bps => (bps == null) ? '–' : scaled(bps, 'bit/s', 1),
	bytes: n => (n == null) ? '–' : scaled(n, 'B', 1),
	time: ms => (ms == null) ? '–' : '%d\u202fms'.format(Math.round(ms)),

	age(s) {
		return (s < 60) ? _('%d s').format(s) : (s < 3600) ? _('%d min').format(s / 60) : _('%d h').format(s / 3600);
	},

	role(name) {
		return { primary: _('preferred line'), secondary: _('second line'), standby: _('standby') }[name] ?? name;
	},

	mode(name) {
		return {
			bond: _('bond'), overflow: _('overflow'), failover: _('failover'),
			'lowest-delay': _('lowest delay'), direct: _('direct'),
		}[name] ?? name;
	},

	/* A sign beside the colour, for those who do not see the colour. */
	sign(state) {
		return { 'up': '✓', 'degraded': '!', 'no-syn-data': '✓', 'no-mptcp': '!', 'down': '✕' }[state] ?? '?';
	},

	state(state) {
		return {
			'up': _('works'), 'degraded': _('works badly'), 'no-syn-data': _('works'),
			'no-mptcp': _('no bonding'), 'down': _('down'),
		}[state] ?? state;
	},

	/* What a state means and what Tandem makes of it. Empty when all is well. */
	meaning(line) {
		switch (line.state) {
		case 'degraded':
			return _('This line loses much or has become slow. It is used less until it recovers.');
		case 'no-mptcp':
			return _('The operator of this line removes MPTCP. It is used for new connections only when the other lines are down.');
		case 'no-syn-data':
			return _('This line takes no data in the first packet. Tandem opens connections beforehand instead: nothing is lost.');
		case 'down':
			return _('Nothing goes through this line. Connections use the others until it is back.');
		}
		switch (line.quota?.state) {
		case 'reached':
			return (line.quota.action == 'off') ? _('The quota is used up: this line is off until %s.').format(line.quota.resets)
				: _('The quota is used up: this line is on standby until %s.').format(line.quota.resets);
		case 'warning':
			return _('The quota is nearly used up.');
		}
		return '';
	},
});
