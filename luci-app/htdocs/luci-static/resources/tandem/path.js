'use strict';
'require baseclass';
'require tandem.words as words';

/* The path drawn: home network and router, the lines, the concentrator. */

const ns = 'http://www.w3.org/2000/svg';

/* put changes a text only where it differs: most of a page stays as it was. */
function put(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

function show(node, on) {
	node.classList.toggle('t-hidden', !on);
}

const idle = line => line.up && line.role == 'standby' && !line.subflows;

return baseclass.extend({
	put, show,

	node(lines, concentrators) {
		this.cards = lines.map((line, i) => this.card(i));
		this.open = E('span', { 'class': 't-small' });
		this.far = E('strong');
		this.farState = E('span', { 'class': 't-small' });
		this.fans = [ this.fan(lines.length), this.fan(lines.length) ];
		this.laid = null;

		return E('div', { 'class': 't-path' }, [
			E('div', { 'class': 't-node' }, [ E('strong', {}, [ _('Your network') ]), this.open ]),
			this.fans[0].node,
			E('div', { 'class': 't-lines' }, this.cards.map(c => c.node)),
			this.fans[1].node,
			E('div', { 'class': 't-node' }, [ this.far, this.farState ]),
		]);
	},

	fan(count) {
		const drawing = document.createElementNS(ns, 'svg'), paths = [];
		drawing.setAttribute('preserveAspectRatio', 'none');
		for (let i = 0; i < count; i++)
			paths.push(drawing.appendChild(document.createElementNS(ns, 'path')));
		return { node: E('div', { 'class': 't-fan', 'aria-hidden': 'true' }, drawing), drawing, paths };
	},

	/* layout leads the lines to the middles of the cards, whose heights differ. */
	layout() {
		const height = this.cards[0]?.node.parentNode.offsetHeight;
		const middles = this.cards.map(c => Math.round(c.node.offsetTop - this.cards[0].node.offsetTop + c.node.offsetHeight / 2));
		const key = height + middles.join();
		if (!height || this.laid === key)
			return;
		this.laid = key;
		this.fans.forEach((fan, side) => {
			fan.drawing.setAttribute('viewBox', '0 0 10 %d'.format(height));
			middles.forEach((y, i) => {
				const [ from, to ] = side ? [ y, height / 2 ] : [ height / 2, y ];
				fan.paths[i].setAttribute('d', 'M0 %d C6 %d 4 %d 10 %d'.format(from, from, to, to));
			});
		});
	},

	card(i) {
		const c = {};
		c.node = E('div', { 'class': 't-line t-%d'.format(i % 8) }, [
			E('div', { 'class': 't-row' }, [
				E('span', {}, [ E('span', { 'class': 't-key' }), c.name = E('strong'), ' ', c.role = E('span', { 'class': 't-small' }) ]),
				c.state = E('span'),
			]),
			E('div', { 'class': 't-row t-figures' }, [
				E('span', {}, [ '↓ ', c.down = E('b') ]),
				E('span', {}, [ '↑ ', c.up = E('b') ]),
				c.rtt = E('span'),
			]),
			c.quota = E('div', { 'class': 't-hidden' }, [
				c.bar = E('div', { 'class': 't-bar', role: 'img' }, c.fill = E('div')),
				c.quotaText = E('span', { 'class': 't-small' }),
			]),
			c.meaning = E('p', { 'class': 't-meaning t-hidden' }),
			c.reason = E('p', { 'class': 't-meaning t-small t-hidden' }),
		]);
		return c;
	},

	update(status) {
		put(this.open, _('%d connections').format(status.open));

		status.lines.forEach((line, i) => {
			const c = this.cards[i], bad = !line.up, warn = line.state == 'degraded' || line.state == 'no-mptcp' || line.quota?.state == 'reached';
			put(c.name, line.name);
			put(c.role, '%s%s'.format(words.role(line.role), line.metered ? ', ' + _('metered') : ''));
			put(c.state, '%s %s'.format(words.sign(line.state), idle(line) ? _('ready, not needed') : words.state(line.state)));
			c.state.className = bad ? 't-bad' : (warn ? 't-warn' : 't-good');
			put(c.down, words.rate(line.down));
			put(c.up, words.rate(line.upload));
			put(c.rtt, _('round trip %s').format(words.time(line.rtt)));
			c.node.classList.toggle('t-down', bad);
			c.node.classList.toggle('t-idle', idle(line));
			for (const fan of this.fans)
				fan.paths[i].setAttribute('class', bad ? 't-down' : 't-%d%s'.format(i % 8, idle(line) ? ' t-idle' : ''));

			show(c.quota, line.quota);
			if (line.quota) {
				const share = Math.min(100, 100 * line.quota.used / line.quota.limit);
				const text = _('%s of %s used; starts anew %s').format(words.bytes(line.quota.used), words.bytes(line.quota.limit), line.quota.resets || '–');
				put(c.quotaText, text);
				c.bar.setAttribute('aria-label', text);
				c.bar.classList.toggle('t-over', line.quota.state == 'reached');
				c.fill.style.width = '%.1f%%'.format(share);
			}

			const meaning = words.meaning(line);
			put(c.meaning, meaning);
			show(c.meaning, meaning);
			put(c.reason, line.reason);
			show(c.reason, line.reason && (meaning || bad));
		});

		this.layout();

		const active = status.concentrators.find(c => c.active && c.up) ?? status.concentrators[0];
		put(this.far, active ? active.name : _('No concentrator'));
		put(this.farState, !active ? '' : active.up ? '✓ %s'.format(_('reachable')) : '✕ %s'.format(active.reason || _('does not answer')));
		this.farState.className = 't-small %s'.format(active?.up ? 't-good' : 't-bad');
	},
});
