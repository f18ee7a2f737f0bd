'use strict';
'require baseclass';
'require tandem.path as path';
'require tandem.words as words';

/* The connections carried now, sortable. Rows are kept and changed in place. */

const put = path.put;

return baseclass.extend({
	/* setup takes the names of LAN hosts by address. */
	setup(names) {
		this.names = names;
		this.rows = new Map();
		this.by = 'down';
		this.descending = true;
	},

	node() {
		const columns = [
			[ 'hostName', _('Host') ], [ 'destination', _('Destination') ], [ 'down', _('Down') ], [ 'up', _('Up') ],
			[ null, _('Over') ], [ 'age', _('Age') ],
		];
		this.titles = columns.map(c => c[1]);
		this.heads = columns.map(([ by, title ]) => E('th', { 'class': 'th', scope: 'col' }, [ by ? E('button', {
			type: 'button', 'class': 't-sort', click: () => this.sort(by),
		}, [ title ]) : title ]));
		this.heads.forEach((th, i) => th.by = columns[i][0]);
		this.body = E('tbody');
		this.count = E('p', { 'class': 't-small' });
		this.mark();
		return E('div', {}, [
			E('table', { 'class': 'table t-flows' }, [ E('thead', {}, E('tr', { 'class': 'tr table-titles' }, this.heads)), this.body ]),
			this.count,
		]);
	},

	sort(by) {
		this.descending = (this.by == by) ? !this.descending : (by == 'down' || by == 'up');
		this.by = by;
		this.mark();
		this.update(this.last, this.lines);
	},

	mark() {
		for (const th of this.heads) {
			if (th.by == this.by)
				th.setAttribute('aria-sort', this.descending ? 'descending' : 'ascending');
			else
				th.removeAttribute('aria-sort');
		}
	},

	row() {
		const cells = this.titles.map(title => E('td', { 'class': 'td', 'data-title': title }));
		cells[4].append(E('div', { 'class': 't-share', 'aria-hidden': 'true' }), E('span', { 'class': 't-small' }));
		return { node: E('tr', { 'class': 'tr' }, cells), cells };
	},

	update(answer, lines) {
		if (!answer)
			return;
		this.last = answer;
		this.lines = lines;

		const flows = answer.flows;
		for (const f of flows)
			f.hostName = this.names[f.host] ?? f.host;
		const sign = this.descending ? -1 : 1, by = this.by;
		flows.sort((a, b) => sign * (typeof(a[by]) == 'number' ? a[by] - b[by] : (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0)));

		const gone = new Set(this.rows.keys());
		let place = this.body.firstChild;
		for (const f of flows) {
			gone.delete(f.id);
			let row = this.rows.get(f.id);
			if (!row)
				this.rows.set(f.id, row = this.row());
			this.fill(row, f);
			if (row.node !== place)
				this.body.insertBefore(row.node, place);
			else
				place = place.nextSibling;
		}
		for (const id of gone) {
			this.rows.get(id).node.remove();
			this.rows.delete(id);
		}

		put(this.count, (answer.total > flows.length)
			? _('%d connections are open; the %d that carried most are shown.').format(answer.total, flows.length)
			: flows.length ? '' : _('No connection is carried at this moment.'));
	},

	fill(row, f) {
		put(row.cells[0], f.hostName);
		put(row.cells[1], f.destination);
		put(row.cells[2], words.bytes(f.down));
		put(row.cells[3], words.bytes(f.up));
		put(row.cells[5], words.age(f.age));

		const [ bar, text ] = row.cells[4].childNodes;
		const parts = f.wans.map(w => ({ name: w.name, bytes: w.up + w.down, i: this.lines.findIndex(l => l.name == w.name) }));
		const sum = parts.reduce((n, p) => n + p.bytes, 0);
		const say = (f.mode == 'direct') ? _('direct') : !f.mptcp ? _('plain TCP, one line')
			: parts.map(p => '%s %s'.format(p.name, words.bytes(p.bytes))).join(', ');
		if (text.textContent === say)
			return;
		text.textContent = say;
		bar.replaceChildren(...(sum ? parts.filter(p => p.i >= 0).map(p => E('i', { 'class': 't-%d'.format(p.i % 8), style: 'flex:%f'.format(p.bytes / sum) })) : []));
	},
});
