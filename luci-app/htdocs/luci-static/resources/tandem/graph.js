'use strict';
'require baseclass';
'require tandem.words as words';

/*
 * The rates of all lines over the last minutes, one on top of the other: down
 * above the axis, up below it. Pure drawing; it keeps its samples over a
 * change of pages in this browser tab.
 */

const seconds = 300, width = 600, height = 200, axis = 140, store = 'tandem-rates';

const svg = (name, attributes, children) => {
	const node = document.createElementNS('http://www.w3.org/2000/svg', name);
	for (const key in attributes)
		node.setAttribute(key, attributes[key]);
	(children ?? []).forEach(child => node.appendChild(child));
	return node;
};

/* Each line has a pattern besides its colour: plain, slanted, upright, ... */
const strokes = [ null, 'M0 8L8 0', 'M4 0V8', 'M0 0L8 8', 'M0 4H8', 'M0 8L8 0M0 0L8 8', 'M4 0V8M0 4H8', 'M0 2H4' ];

function pattern(i) {
	return svg('pattern', { id: 'tandem-hatch-%d'.format(i), width: 8, height: 8, patternUnits: 'userSpaceOnUse' }, strokes[i] ? [
		svg('path', { d: strokes[i], stroke: 'var(--background-color-high, #fff)', 'stroke-width': 1.5, 'stroke-opacity': .7, fill: 'none' })
	] : []);
}

/* The next 1, 2 or 5 times a power of ten, 100 kbit/s at least. */
function nice(n) {
	const power = Math.pow(10, Math.floor(Math.log10(Math.max(n, 1e5))));
	return [ 1, 2, 5, 10 ].map(x => x * power).find(x => x >= n);
}

return baseclass.extend({
	__init__() {
		try {
			this.samples = JSON.parse(sessionStorage.getItem(store)) ?? [];
		}
		catch (e) {
			this.samples = [];
		}
		if (!Array.isArray(this.samples) || this.samples.some(s => !(s?.t > 0) || typeof(s.rates) != 'object'))
			this.samples = [];
		window.addEventListener('pagehide', () => {
			try { sessionStorage.setItem(store, JSON.stringify(this.samples)); } catch (e) { /* full or forbidden: no history then */ }
		});
	},

	node(lines) {
		this.lines = lines.map(l => l.name);
		this.areas = lines.map((l, i) => [ 'down', 'up' ].map(() => [
			svg('path', { 'class': 't-area' }), svg('path', { 'class': 't-hatch', fill: 'url(#tandem-hatch-%d)'.format(i % 8) })
		]));
		this.tops = [ E('span', { style: 'left:0;top:0' }), E('span', { style: 'left:0;bottom:0' }) ];

		this.figure = svg('svg', { viewBox: '0 0 %d %d'.format(width, height), preserveAspectRatio: 'none', role: 'img' }, [
			svg('defs', {}, strokes.map((_, i) => pattern(i))),
			...this.areas.flatMap((pair, i) => pair.map(paths => svg('g', { 'class': 't-%d'.format(i % 8) }, paths))),
			svg('path', { 'class': 't-axis', d: 'M0 %d H%d'.format(axis, width) }),
			...[ 1, 2, 3, 4 ].map(n => svg('path', { 'class': 't-axis', d: 'M%d 0 V%d'.format(n * width / 5, height), 'stroke-opacity': .4 })),
		]);

		return E('div', {}, [
			E('div', { 'class': 't-graph' }, [ this.figure, ...this.tops, E('span', { style: 'right:0;bottom:0' }, [ _('now') ]) ]),
			E('ul', { 'class': 't-legend' }, lines.map((l, i) => E('li', { 'class': 't-%d'.format(i % 8) }, [
				svg('svg', { viewBox: '0 0 16 12', 'aria-hidden': 'true' }, [
					svg('rect', { width: 16, height: 12, fill: 'var(--t-line)' }),
					svg('rect', { width: 16, height: 12, fill: 'url(#tandem-hatch-%d)'.format(i % 8) }),
				]), l.name ]))),
		]);
	},

	/* push takes one look at all lines; t is in seconds. */
	push(t, lines) {
		const rates = {};
		for (const l of lines)
			rates[l.name] = [ l.down ?? 0, l.upload ?? 0 ];
		this.samples.push({ t, rates });
		while (this.samples.length && (this.samples[0].t < t - seconds || this.samples[0].t > t))
			this.samples.shift();
		this.draw(t);
	},

	draw(now) {
		const count = this.samples.length, peaks = [ 0, 0 ];
		const sums = [ 0, 1 ].map(() => new Array(count).fill(0));
		const x = this.samples.map(s => (width - (now - s.t) * width / seconds).toFixed(1));

		for (let d = 0; d < 2; d++)
			this.samples.forEach(s => peaks[d] = Math.max(peaks[d], this.lines.reduce((sum, name) => sum + (+s.rates[name]?.[d] || 0), 0)));

		const scales = peaks.map(nice), room = [ axis - 4, axis - height + 4 ];
		this.lines.forEach((name, i) => {
			for (let d = 0; d < 2; d++) {
				const y = v => (axis - v / scales[d] * room[d]).toFixed(1);
				let there = '', back = '';
				for (let n = 0; n < count; n++) {
					back = 'L%s %s'.format(x[n], y(sums[d][n])) + back;
					sums[d][n] += +this.samples[n].rates[name]?.[d] || 0;
					there += '%s%s %s'.format(n ? 'L' : 'M', x[n], y(sums[d][n]));
				}
				for (const path of this.areas[i][d])
					path.setAttribute('d', there ? there + back + 'Z' : '');
			}
		});

		this.tops[0].textContent = '↓ %s'.format(words.rate(scales[0]));
		this.tops[1].textContent = '↑ %s'.format(words.rate(scales[1]));
		this.figure.setAttribute('aria-label', _('Rates of all lines over the last 5 minutes; the highest was %s down and %s up.')
			.format(words.rate(peaks[0]), words.rate(peaks[1])));
	},
});
