'use strict';
'require baseclass';

/*
 * What the daemon takes as a value, by the kinds that "tandem-cpe schema"
 * names. Ranges, choices and lengths come from there. A test asks the daemon
 * about each kind and compares.
 */

function addr4(s) {
	const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(s);
	const bytes = m?.slice(1).map(p => (p.length > 1 && p[0] == '0') ? 256 : +p);
	return bytes?.every(b => b < 256) ? bytes : null;
}

function addr6(s) {
	const halves = s.split('::');
	if (halves.length > 2 || !s.includes(':'))
		return null;

	const groups = (half) => {
		const out = [];
		if (half == '')
			return out;
		const parts = half.split(':');
		for (let i = 0; i < parts.length; i++) {
			const v4 = (i == parts.length - 1) ? addr4(parts[i]) : null;
			if (v4)
				out.push(v4[0] << 8 | v4[1], v4[2] << 8 | v4[3]);
			else if (/^[0-9a-f]{1,4}$/i.test(parts[i]))
				out.push(parseInt(parts[i], 16));
			else
				return null;
		}
		return out;
	};

	const head = groups(halves[0]), tail = (halves.length > 1) ? groups(halves[1]) : [];
	if (!head || !tail || (halves.length > 1 && halves[0].includes('.')))
		return null;

	const missing = 8 - head.length - tail.length;
	if (halves.length > 1 ? missing < 1 : missing != 0)
		return null;

	const all = [ ...head, ...Array(missing).fill(0), ...tail ];
	/* IPv4 written as IPv6 would be two spellings of one address */
	if (all.slice(0, 5).every(g => g == 0) && all[5] == 0xffff)
		return null;

	return all.flatMap(g => [ g >> 8, g & 255 ]);
}

const address = s => addr4(s) ?? addr6(s);

function prefix(s) {
	const slash = s.indexOf('/');
	if (slash < 0)
		return address(s) != null;

	const bytes = address(s.slice(0, slash)), bits = s.slice(slash + 1);
	if (!bytes || !/^(0|[1-9]\d{0,2})$/.test(bits) || +bits > bytes.length * 8)
		return false;

	return bytes.every((b, i) => (b & (255 >> Math.min(8, Math.max(0, +bits - 8 * i)))) == 0);
}

function port(s) {
	return /^\d{1,10}$/.test(s) && +s >= 1 && +s <= 65535;
}

const mac = s => /^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(s) || /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(s);

/* One function a kind: null, or a sentence that says what is wanted. */
const kinds = {
	'bool': (s) => [ '0', '1', 'on', 'off', 'true', 'false', 'yes', 'no', 'enabled', 'disabled' ].includes(s)
		? null : _('Choose on or off.'),

	'choice': (s, o) => o.choices.includes(s)
		? null : _('Choose one of: %s.').format(o.choices.join(', ')),

	'number': (s, o) => (/^\d+$/.test(s) && +s >= o.min && +s <= o.max)
		? null : _('Write a whole number from %d to %d.').format(o.min, o.max),

	'port': (s) => port(s)
		? null : _('Write a port number from 1 to 65535.'),

	'port-range': (s) => {
		const m = /^(\d+)(?:[-:](\d+))?$/.exec(s);
		return (m && port(m[1]) && port(m[2] ?? m[1]) && +m[1] <= +(m[2] ?? m[1]))
			? null : _('Write a port from 1 to 65535 or a range such as 8000-8100.');
	},

	'address': (s) => {
		const b = address(s);
		if (!b)
			return _('Write an IPv4 or IPv6 address; names are not looked up.');
		const multicast = (b.length == 4) ? (b[0] >= 224 && b[0] <= 239) : b[0] == 255;
		const all = b.length == 4 && b.every(x => x == 255);
		return (multicast || all || b.every(x => x == 0)) ? _('This is not the address of one host.') : null;
	},

	'prefix': (s) => prefix(s)
		? null : _('Write an address or a network such as 198.51.100.0/24 or 2001:db8::/32.'),

	'host': (s) => (mac(s) || prefix(s))
		? null : _('Write an address, a network such as 192.168.1.0/28, or a MAC address such as 02:00:5e:00:53:01.'),

	'device': (s, o) => (/^[A-Za-z0-9_.+~-]+$/.test(s) && s.length <= o.max && s != '.' && s != '..')
		? null : _('A device name has 1 to %d letters, digits and . _ - + ~').format(o.max),

	'interface': (s) => /^[A-Za-z0-9_]+$/.test(s)
		? null : _('An interface name has letters, digits and _ only.'),

	'cookie': (s, o) => (/^(?:[0-9a-f]{8})+$/i.test(s) && s.length <= 2 * o.max)
		? null : _('Write hexadecimal digits, 8 at a time, %d at most.').format(2 * o.max),

	'path': (s, o) => ((s == '/' || /^(?:\/(?!\.{1,2}(?:\/|$))[^\/\x00-\x1f]+)+$/.test(s)) && new TextEncoder().encode(s).length <= o.max)
		? null : _('Write an absolute path of at most %d bytes.').format(o.max),

	'key': (s) => (/^[0-9a-f]{16}$/i.test(s) && !/^0+$/.test(s))
		? null : _('A key is named by 16 hexadecimal digits. The key itself is not written here.'),

	'size': (s, o) => (/^\d+[MGT]$/.test(s) && s.length <= o.max + 1 && +s.slice(0, -1) > 0)
		? null : _('Write an amount of data such as 500M, 20G or 1T.'),

	'dscp': (s, o) => ((/^\d+$/.test(s) && +s <= o.max) || /^(?:ef|le|cs[0-7]|af[1-4][1-3])$/i.test(s))
		? null : _('Write a number from 0 to %d, EF, LE, CS0 to CS7, or AF11 to AF43.').format(o.max),
};

/* LuCI gives most inputs no name that a screen reader could say. */
function name(node) {
	for (const input of node.querySelectorAll('input:not([aria-label]), select:not([aria-label])')) {
		const title = input.closest('[data-title]')?.getAttribute('data-title') || input.closest('.cbi-value')?.querySelector('.cbi-value-title')?.textContent
			|| input.closest('.cbi-section')?.querySelector('h3')?.textContent;
		if (title)
			input.setAttribute('aria-label', title);
	}
}

return baseclass.extend({
	/* label names the inputs of a form, now and whenever it is drawn anew. */
	label(node) {
		name(node);
		new MutationObserver(() => name(node)).observe(node, { childList: true, subtree: true });
		return node;
	},

	kinds: () => Object.keys(kinds),

	/* check returns null where the daemon takes text for an option, else a sentence. */
	check(option, text) {
		const kind = kinds[option?.kind];
		return kind ? kind(text, option) : null;
	},

	/* validator is check in the form that form options want. */
	validator(option) {
		return (section_id, value) => {
			if (value == null || value === '')
				return true;
			return this.check(option, value) ?? true;
		};
	},
});
