'use strict';

const net = require('node:net');
const fs = require('node:fs');

/*
 * A daemon that answers on the control socket what a test wants: tandem-cpe
 * itself, called by the plugin, is the client.
 */
class Daemon {
	constructor(socket) {
		this.socket = socket;
		this.status = sample();
		this.flows = someFlows(12);
		this.behave = 'well'; /* or slow, nonsense, old, stopped */
		this.asked = 0;
	}

	start() {
		this.open = new Set();
		this.server = net.createServer(c => {
			this.open.add(c);
			c.on('close', () => this.open.delete(c)).on('error', () => {});
			c.once('data', request => this.answer(c, String(request).trim()));
		});
		return new Promise(done => this.server.listen(this.socket, done));
	}

	answer(c, request) {
		this.asked++;
		const [ what, how, most ] = request.split(' ');
		let answer = what != 'status' ? { error: 'unknown request' } : how ? { ...this.status, shown: shown(this.flows, +most) } : this.status;
		if (this.behave == 'old')
			answer = { version: '0.1', pid: 1, concentrators: [ { name: 'home', up: true } ], wans: [ { name: 'dsl', device: 'dsl', role: 'primary', up: true, addresses: [] } ], flows: { open: 0 } };
		const text = this.behave == 'nonsense' ? '<html>no</html>' : this.behave == 'other' ? '{"wans": "none", "flows": 7}' : JSON.stringify(answer);
		if (this.behave == 'slow')
			setTimeout(() => c.end(text), this.delay ?? 6000);
		else if (this.behave == 'fragment')
			c.end(text.slice(0, text.length / 2));
		else
			c.end(text);
	}

	async stop() {
		for (const c of this.open ?? [])
			c.destroy();
		await new Promise(done => this.server ? this.server.close(done) : done());
		fs.rmSync(this.socket, { force: true });
	}
}

/* What the request "status shown N" adds: the flows that carried most, a line each (cpe/shown.go). */
function shown(all, limit) {
	const size = f => f.up_bytes + f.down_bytes;
	const row = f => [ f.id, f.host.replace(/^\[?(.*?)\]?:\d+$/, '$1'), f.destination, Math.floor((Date.now() - Date.parse(f.started)) / 1000),
		f.mode, f.mptcp ? 'mptcp' : 'tcp', f.up_bytes, f.down_bytes, ...f.subflows.flatMap(s => [ s.wan, s.up_bytes, s.down_bytes ]) ];
	const first = [ ...all ].sort((a, b) => size(b) - size(a)).slice(0, limit);
	return { total: all.length, flows: first.map(f => row(f).join('\t') + '\n').join('') };
}

/* What "tandem-cpe status --json" prints in a house with three lines. */
function sample() {
	return {
		version: '1.0', pid: 4711,
		concentrators: [
			{ name: 'home', up: true, active: true, rtt_ms: 31.2, syn_data: { tried: 0, acked: 0 }, zero_rtt: { hits: 941, total: 1000, ratio: 0.941 } },
		],
		wans: [
			{ name: 'dsl', device: 'pppoe-wan', interface: 'wan', role: 'primary', metered: false, state: 'up', up: true, addresses: [ '203.0.113.2' ],
				rate_up_bps: 2300000, rate_down_bps: 18400000, total_up_bytes: 1e9, total_down_bytes: 9e9, rtt_ms: 31.4, loss: 0.001, subflows: 14, quota: null },
			{ name: 'lte', device: 'wwan0', interface: 'wwan', role: 'secondary', metered: true, state: 'no-mptcp', reason: 'the answer to MP_CAPABLE came back without it, 3 of 3 times', up: true,
				addresses: [ '198.51.100.2' ], rate_up_bps: 900000, rate_down_bps: 7600000, total_up_bytes: 1e8, total_down_bytes: 9e8, rtt_ms: 62.8, loss: 0.004, subflows: 9,
				quota: { limit_bytes: 20e9, used_bytes: 14.2e9, resets: '2026-12-01', action: 'standby', state: 'ok' } },
			{ name: 'spare', device: 'eth2', interface: 'wanb', role: 'standby', metered: false, state: 'up', up: true, addresses: [ '192.0.2.77' ],
				rate_up_bps: 0, rate_down_bps: 0, total_up_bytes: 0, total_down_bytes: 0, rtt_ms: 0, loss: 0, subflows: 0, quota: null },
		],
		flows: { open: 12, accepted: 1000, relayed: 987, mptcp: 980, direct: 13, refused: 0 },
		accounts: [],
	};
}

function someFlows(n) {
	return Array.from({ length: n }, (_, i) => ({
		id: i + 1, host: `192.168.1.${20 + i % 5}:${40000 + i}`, destination: `203.0.113.${100 + i % 90}:443`,
		started: new Date(Date.now() - 1000 * (7 + 13 * i)).toISOString(), mode: i % 7 == 6 ? 'direct' : 'bond', concentrator: i % 7 == 6 ? undefined : 'home', mptcp: i % 7 != 6,
		up_bytes: 1200 * (i + 1), down_bytes: Math.round(3.1e6 / (i + 1)),
		subflows: i % 7 == 6 ? [] : [
			{ wan: 'dsl', local: '203.0.113.2:1', remote: '192.0.2.1:5124', state: 'established', rtt_ms: 31, up_bytes: 900 * (i + 1), down_bytes: Math.round(2e6 / (i + 1)), retransmitted_bytes: 0 },
			{ wan: 'lte', local: '198.51.100.2:1', remote: '192.0.2.1:5124', state: 'established', rtt_ms: 62, up_bytes: 300 * (i + 1), down_bytes: Math.round(1.1e6 / (i + 1)), retransmitted_bytes: 0 },
		],
	}));
}

module.exports = { Daemon, sample, someFlows };
