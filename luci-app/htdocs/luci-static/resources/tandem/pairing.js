'use strict';
'require baseclass';

/*
 * Checks a pairing line while it is typed. The format is that of package
 * shared/pairing: groups of 60 characters with 3 that find an error in them,
 * and a checksum over all. The daemon has the last word when it is saved; a
 * test compares the two. (No Web Crypto: browsers keep it from pages on http.)
 */

const scheme = 'tandem://', groupData = 60, groupChecks = 3, groupLen = groupData + groupChecks;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const headLen = 3, sumLen = 4, minContent = 54, maxContent = 369;

function times2(a) {
	a <<= 1;
	return (a & 64) ? a ^ 0x43 : a;
}

function times(a, b) {
	let product = 0;
	for (; b; b >>= 1, a = times2(a))
		if (b & 1)
			product ^= a;
	return product;
}

/* repair corrects the one wrong character of a group: its index, -1 for none, null where more are wrong */
function repair(group) {
	let at1 = 0, at2 = 0, at4 = 0;
	for (const c of group) {
		at1 ^= c;
		at2 = times2(at2) ^ c;
		at4 = times2(times2(at4)) ^ c;
	}
	if (!(at1 | at2 | at4))
		return -1;
	for (let i = group.length - 1, weight = 1; i >= 0; i--, weight = times2(weight)) {
		if (at1 && at2 == times(at1, weight) && at4 == times(at2, weight)) {
			group[i] ^= at1;
			return i;
		}
	}
	return null;
}

function bytes(values) {
	const out = [];
	let acc = 0, have = 0;
	for (const v of values) {
		acc = (acc << 6 | v) & 0xffff;
		have += 6;
		if (have >= 8)
			out.push(acc >> (have -= 8) & 255);
	}
	return out;
}

/* SHA-256 (FIPS 180-4): its constants are the fractions of roots of primes. */
const roots = (() => {
	const k = [], h = [], fraction = x => (x - Math.floor(x)) * 0x100000000 | 0;
	for (let n = 2; k.length < 64; n++) {
		let prime = true;
		for (let d = 2; d * d <= n; d++)
			prime = prime && n % d != 0;
		if (prime) {
			if (h.length < 8)
				h.push(fraction(Math.sqrt(n)));
			k.push(fraction(Math.cbrt(n)));
		}
	}
	return { k, h };
})();

function sha256(data) {
	const turn = (x, n) => x >>> n | x << 32 - n, state = [ ...roots.h ], w = [];
	const text = [ ...data, 0x80 ];
	while (text.length % 64 != 56)
		text.push(0);
	text.push(0, 0, 0, 0, ...[ 24, 16, 8, 0 ].map(s => data.length * 8 >>> s & 255));

	for (let at = 0; at < text.length; at += 64) {
		let [ a, b, c, d, e, f, g, h ] = state;
		for (let i = 0; i < 64; i++) {
			if (i < 16)
				w[i] = text[at + 4 * i] << 24 | text[at + 4 * i + 1] << 16 | text[at + 4 * i + 2] << 8 | text[at + 4 * i + 3];
			else
				w[i] = (turn(w[i-2], 17) ^ turn(w[i-2], 19) ^ w[i-2] >>> 10) + w[i-7]
					+ (turn(w[i-15], 7) ^ turn(w[i-15], 18) ^ w[i-15] >>> 3) + w[i-16] | 0;
			const t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + roots.k[i] + w[i] | 0;
			const t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
			h = g; g = f; f = e; e = d + t1 | 0; d = c; c = b; b = a; a = t1 + t2 | 0;
		}
		[ a, b, c, d, e, f, g, h ].forEach((x, i) => state[i] = state[i] + x | 0);
	}
	return state.flatMap(x => [ x >>> 24, x >>> 16 & 255, x >>> 8 & 255, x & 255 ]);
}

/* An IPv6 address, its longest run of zeros as :: (RFC 5952). */
function text6(b) {
	const groups = [];
	for (let i = 0; i < 16; i += 2)
		groups.push((b[i] << 8 | b[i + 1]).toString(16));

	let best = 0, length = 1;
	for (let i = 0, run = 0; i < 8; i++) {
		run = (groups[i] == '0') ? run + 1 : 0;
		if (run > length)
			[ best, length ] = [ i - run + 1, run ];
	}
	return (length > 1)
		? groups.slice(0, best).join(':') + '::' + groups.slice(best + length).join(':')
		: groups.join(':');
}

const bad = (text, char) => ({ error: text, char: char ?? 0 });
const between = (at, chars) => bad(_('Several characters are wrong, or some are missing, between character %d and %d.')
	.format(scheme.length + at + 1, scheme.length + Math.min(at + groupLen, chars)));
const foreign = () => bad(_('The line is whole, but it was not made by a Tandem concentrator.'));

function content(b) {
	let at = headLen;
	const end = b.length - sumLen;
	const take = n => { const part = b.slice(at, Math.min(at + n, end)); at += n; return part; };
	const word = n => String.fromCharCode(...take(n));

	const key = take(8).map(x => x.toString(16).padStart(2, '0')).join('');
	if (take(32).every(x => x == 0))
		return foreign();
	const [ hi, lo ] = take(2), port = hi << 8 | lo;
	const client = word(take(1)[0]);
	const addresses = [];
	let n = take(1)[0];
	let host = n ? null : word(take(1)[0]);
	for (; n > 0 && at < end; n--) {
		const kind = take(1)[0];
		if (kind == 4)
			addresses.push(take(4).join('.'));
		else if (kind == 6)
			addresses.push(text6(take(16)));
		else
			return foreign();
	}
	if (at != end || !port || !/^[A-Za-z0-9._-]{1,64}$/.test(client) || (host != null && !/^[A-Za-z0-9.-]{1,253}$/.test(host)))
		return foreign();
	return { key, port, client, host, addresses };
}

return baseclass.extend({
	/*
	 * check returns { error, char } with what is wrong in words, or what the
	 * line says: { key (its id), port, client, host, addresses }. The secret is
	 * not in it.
	 */
	check(text) {
		text = text.trim();
		if (text == '')
			return bad(_('Paste the line that begins with tandem://'), 1);
		if (scheme.startsWith(text))
			return bad(_('The line is cut off.'), text.length + 1);
		if (!text.startsWith(scheme))
			return bad(_('The line must begin with tandem://'), 1);

		const values = [];
		for (const c of text.slice(scheme.length)) {
			const v = alphabet.indexOf(c), char = scheme.length + values.length + 1;
			if (/\s/.test(c))
				return bad(_('Character %d is a space or the end of a line; the line must be in one piece.').format(char), char);
			if (v < 0)
				return bad(_('Character %d is wrong: only letters, digits, - and _ can be there.').format(char), char);
			values.push(v);
		}

		if (values.length < groupLen)
			return bad(_('The line is cut off.'), text.length + 1);

		/* The first group tells how long the line must be. */
		const head = values.slice(0, groupLen);
		if (repair(head) == null)
			return between(0, values.length);
		const [ version, hi, lo ] = bytes(head.slice(0, 4)), size = hi << 8 | lo;
		if (version != 1)
			return bad(_('The line is of version %d, and only version 1 is known here: update Tandem on this router.').format(version));
		if (size < minContent || size > maxContent)
			return between(0, values.length);

		let want = Math.ceil(8 * size / 6);
		want += groupChecks * Math.ceil(want / groupData);
		if (values.length > want)
			return bad(_('The line is too long: what begins at character %d does not belong to it.').format(scheme.length + want + 1),
				scheme.length + want + 1);

		const wrong = [], data = [];
		for (let at = 0; at < values.length; at += groupLen) {
			const group = values.slice(at, at + groupLen);
			if (values.length < want && group.length < groupLen)
				break;
			const i = repair(group);
			if (i == null)
				return between(at, values.length);
			if (i >= 0)
				wrong.push(scheme.length + at + i + 1);
			data.push(...group.slice(0, -groupChecks));
		}
		if (values.length < want)
			return bad(_('The line is cut off: it has %d of %d characters.').format(text.length, scheme.length + want), text.length + 1);

		const b = bytes(data);
		const sum = sha256(b.slice(0, -sumLen)).slice(0, sumLen);
		if (b.length != size || sum.some((x, i) => x != b[b.length - sumLen + i]))
			return bad(_('The checksum is wrong: more than one character is.'));
		if (wrong.length == 1)
			return bad(_('Character %d is wrong.').format(wrong[0]), wrong[0]);
		if (wrong.length > 1)
			return bad(_('Characters %s are wrong.').format(wrong.join(', ')), wrong[0]);
		return content(b);
	},
});
