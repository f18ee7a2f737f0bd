'use strict';
'require baseclass';
'require rpc';

/*
 * Asks tandem-cpe, by way of rpcd. What comes back may be missing, late, of
 * another version or nonsense; nothing outside this file needs to know.
 */

const declare = (method, params) => rpc.declare({ object: 'luci.tandem', method, params, reject: true });
const calls = {
	status: declare('status', [ 'flows' ]),
	schema: declare('schema'),
	validate: declare('validate'),
	join: declare('join', [ 'line' ]),
	check: declare('check'),
	progress: declare('progress'),
};

const isObject = x => x != null && typeof(x) == 'object' && !Array.isArray(x);
const list = x => Array.isArray(x) ? x.filter(isObject) : [];
const number = x => (typeof(x) == 'number' && isFinite(x) && x >= 0) ? x : null;
const text = x => (typeof(x) == 'string') ? x.slice(0, 400) : '';
const states = [ 'up', 'degraded', 'no-syn-data', 'no-mptcp', 'down' ];

function line(w) {
	const up = (w.up === true);
	return {
		name: text(w.name), device: text(w.device), role: text(w.role), metered: w.metered === true, up,
		state: states.includes(w.state) ? w.state : (up ? 'up' : 'down'), reason: text(w.reason),
		down: number(w.rate_down_bps), upload: number(w.rate_up_bps),
		rtt: number(w.rtt_ms) || null, loss: number(w.loss), subflows: number(w.subflows),
		quota: isObject(w.quota) && number(w.quota.limit_bytes) ? {
			limit: w.quota.limit_bytes, used: number(w.quota.used_bytes) ?? 0, resets: text(w.quota.resets),
			action: text(w.quota.action), state: text(w.quota.state),
		} : null,
	};
}

function concentrator(c) {
	return {
		name: text(c.name), up: c.up === true, active: c.active ?? c.up === true, reason: text(c.reason),
		rtt: number(c.rtt_ms) || null, hits: number(c.zero_rtt?.hits), total: number(c.zero_rtt?.total),
	};
}

/* A line of the list: id, host, destination, age, mode, mptcp or tcp, bytes up and down, then name, up and down of each access line. */
function flow(line) {
	const [ id, host, destination, age, mode, kind, up, down, ...rest ] = line.split('\t');
	const wans = [];
	for (let i = 0; i + 2 < rest.length; i += 3)
		wans.push({ name: text(rest[i]), up: number(+rest[i + 1]) ?? 0, down: number(+rest[i + 2]) ?? 0 });
	return {
		id: number(+id), host: text(host), destination: text(destination), age: number(+age) ?? 0,
		mode: text(mode), mptcp: kind == 'mptcp', up: number(+up) ?? 0, down: number(+down) ?? 0, wans,
	};
}

/* Null where the daemon was not asked for them, or is too old to tell. */
function flows(shown) {
	if (!isObject(shown) || typeof(shown.flows) != 'string')
		return null;
	const list = shown.flows.split('\n').filter(line => line).map(flow);
	return { total: number(shown.total) ?? list.length, flows: list };
}

/* What an answer becomes; null is nonsense. */
const shapes = {
	status: a => Array.isArray(a.wans) && isObject(a.flows) ? {
		version: text(a.version), lines: list(a.wans).map(line), concentrators: list(a.concentrators).map(concentrator),
		open: number(a.flows.open) ?? 0, direct: number(a.flows.direct) ?? 0, accepted: number(a.flows.accepted) ?? 0,
		mode: text(a.mode), configFault: text(a.config_error), flows: flows(a.shown),
	} : null,
	schema: a => isObject(a.sections) ? a : null,
	validate: a => typeof(a.valid) == 'boolean' ? a : null,
	join: a => text(a.key) ? a : null,
	check: a => a,
	progress: a => typeof(a.running) == 'boolean' ? { running: a.running, output: typeof(a.output) == 'string' ? a.output : '', exit: number(a.exit) } : null,
};

const kinds = [ 'not-running', 'no-answer', 'nonsense', 'old', 'forbidden', 'failed' ];

return baseclass.extend({
	/*
	 * ask resolves, always, to { data } or { fault: { kind, text, char } }.
	 */
	ask(method, ...args) {
		return calls[method](...args).then(answer => {
			if (!isObject(answer))
				return { fault: { kind: 'nonsense' } };
			if (typeof(answer.error) == 'string')
				return { fault: {
					kind: kinds.includes(answer.kind) ? answer.kind : 'failed',
					text: text(answer.error), char: number(answer.char),
				} };
			const data = shapes[method](answer);
			return data ? { data } : { fault: { kind: 'nonsense' } };
		}, err => {
			/* rpc says why in words only; its ubus codes are constants of the bus */
			const code = +(/code (\d+)/.exec(err?.message)?.[1] ?? NaN);
			const kind = { 2: 'nonsense', 3: 'old', 4: 'old', 5: 'old', 6: 'forbidden' }[code] ?? 'no-answer';
			return { fault: { kind, text: text(err?.message) } };
		});
	},

	/* sentence says in words why there is no answer. */
	sentence(fault) {
		switch (fault.kind) {
		case 'not-running':
			return _('Tandem is not running. Connections go direct, over one line, until it is back.');
		case 'nonsense':
			return _('Tandem answered something that this page does not understand.');
		case 'old':
			return _('The Tandem daemon on this router is older than these pages, or is not installed: update the package tandem.');
		case 'forbidden':
			return _('Your user may not do this: it has no right to change Tandem.');
		case 'failed':
			return fault.text || _('Tandem could not do this.');
		}
		return _('The router does not answer in time. This page goes on trying.');
	},
});
