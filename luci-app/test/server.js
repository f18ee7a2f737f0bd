'use strict';

const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');
const os = require('node:os');
const { spawn } = require('node:child_process');
const uci = require('./uci.js');
const { Daemon } = require('./daemon.js');

/*
 * A router as far as a browser sees it: the pages, and what rpcd would answer.
 * Calls of luci.tandem go through the real plugin and the real tandem-cpe to a
 * daemon that a test may spoil. Nothing may be called that the ACL does not
 * list. With LUCI_SRC the pages run on LuCI's own resources, else on host/.
 */

const app = path.join(__dirname, '..');
const luci = process.env.LUCI_SRC;
const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.html': 'text/html', '.json': 'application/json' };

/* What luci-base itself grants to everybody who may log in. */
const baseRead = { uci: [ 'changes', 'get' ], session: [ 'access' ], file: [ 'list' ], luci: [ 'getFeatures' ] };
const baseWrite = { uci: [ 'add', 'apply', 'confirm', 'delete', 'order', 'rename', 'set' ] };

const roots = [ path.join(app, 'htdocs'), ...(luci ? [ 'modules/luci-base', 'modules/luci-mod-status', 'themes/luci-theme-bootstrap' ]
	.map(d => path.join(luci, d, 'htdocs')) : [ path.join(__dirname, 'host') ]) ];

class Router {
	constructor(options = {}) {
		this.mayWrite = options.mayWrite ?? true;
		this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tandem-luci-'));
		this.config = path.join(this.dir, 'tandem');
		fs.writeFileSync(this.config, options.config ?? "config tandem 'main'\n\toption enabled '0'\n", { mode: 0o600 });
		this.socket = path.join(this.dir, 'control.sock');
		if (options.daemon !== false)
			this.daemon = new Daemon(this.socket);
		this.cpe = path.resolve(app, '../build/tandem-cpe');
		this.interfaces = options.interfaces ?? someInterfaces();
		this.hints = { '02:00:5e:00:53:01': { name: 'notebook', ipaddrs: [ '192.168.1.20' ], ip6addrs: [] }, '02:00:5e:00:53:02': { name: 'television', ipaddrs: [ '192.168.1.21' ], ip6addrs: [] } };
		this.calls = [];      /* [ object, method, arguments ] */
		this.wrong = [];      /* what no page may do */
		this.sizes = {};      /* bytes of our own files that were asked for */
		this.staged = null;
		this.applied = 0;
		this.acl = JSON.parse(fs.readFileSync(path.join(app, 'root/usr/share/rpcd/acl.d/luci-app-tandem.json')))['luci-app-tandem'];

		/* the plugin finds tandem-cpe by PATH, as on a router */
		fs.mkdirSync(path.join(this.dir, 'bin'));
		this.unwrap();
	}

	unwrap() { this.wrap(`exec ${this.cpe} "$@" --config ${this.dir} --keys ${path.join(this.dir, 'keys')} --control ${this.socket}`); }

	/* wrap says what runs as tandem-cpe. */
	wrap(script) { this.program('tandem-cpe', script); }

	/* program puts one of a router's programs into the PATH of the plugin. */
	program(name, script) {
		const file = path.join(this.dir, 'bin', name);
		fs.writeFileSync(file + '.new', `#!/bin/sh\n${script}\n`, { mode: 0o755 });
		fs.renameSync(file + '.new', file);
	}

	async start() {
		await this.daemon?.start();
		this.server = http.createServer((request, response) => this.serve(request, response).catch(err => {
			this.wrong.push(String(err.stack));
			response.writeHead(500).end(String(err));
		}));
		await new Promise(done => this.server.listen(0, '127.0.0.1', done));
		this.url = `http://127.0.0.1:${this.server.address().port}/cgi-bin/luci/`;
	}

	async stop() {
		this.server.closeAllConnections();
		await new Promise(done => this.server.close(done));
		await this.daemon?.stop();
		fs.rmSync(this.dir, { recursive: true });
	}

	text() { return fs.readFileSync(this.config, 'utf8'); }

	async serve(request, response) {
		const url = new URL(request.url, 'http://router');
		const send = (status, type, body) => response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);

		if (url.pathname.startsWith('/luci-static/'))
			return this.file(url.pathname, send);
		if (!url.pathname.startsWith('/cgi-bin/luci/'))
			return send(404, 'text/plain', '');

		const at = url.pathname.slice('/cgi-bin/luci/'.length);
		if (at.startsWith('admin/ubus')) {
			const asked = JSON.parse(await body(request));
			const answers = await Promise.all([].concat(asked).map(one => this.rpc(one)));
			return this.dead ? request.socket.destroy() : send(200, 'application/json', JSON.stringify(Array.isArray(asked) ? answers : answers[0]));
		}
		if (at.startsWith('admin/translations/'))
			return send(200, 'text/javascript', 'window.TR={};');
		if (at == 'admin/uci/apply_rollback' || at == 'admin/uci/apply_unchecked') {
			const done = this.apply();
			return done ? send(200, 'application/json', '{"token":"t"}') : send(204, 'text/plain', '');
		}
		if (at.startsWith('admin/uci/'))
			return send(200, 'application/json', '{}');

		const view = /^admin\/services\/tandem\/(setup|status|check|advanced)$/.exec(at)?.[1];
		return view ? send(200, 'text/html', this.page('tandem/' + view, at)) : at == 'admin/status/overview'
			? send(200, 'text/html', this.page('status/index', at)) : send(404, 'text/plain', '');
	}

	file(name, send) {
		for (const root of roots) {
			const file = path.join(root, path.normalize(name));
			if (!fs.existsSync(file) || !fs.statSync(file).isFile())
				continue;
			const text = fs.readFileSync(file);
			if (root == roots[0])
				this.sizes[name] = text.length;
			return send(200, types[path.extname(file)] ?? 'application/octet-stream', text);
		}
		return send(404, 'text/plain', '');
	}

	/* The page as LuCI's dispatcher and theme would make it. */
	page(view, at) {
		const env = {
			media: '/luci-static/bootstrap', resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: '/' + at,
			documentroot: '/www', requestpath: at.split('/'), dispatchpath: at.split('/'), pollinterval: 5, ubuspath: '/ubus/',
			sessionid: 's', token: 't', apply_rollback: 90, apply_holdoff: 1, apply_timeout: 1, apply_display: 0.3,
			nodespec: { satisfied: true, readonly: !this.mayWrite },
		};
		return `<!DOCTYPE html>
<html lang="en">
<head>
	<meta charset="utf-8"><title>Tandem</title>
	<meta name="viewport" content="width=device-width, initial-scale=1">
	<script>
		const dark = window.matchMedia('(prefers-color-scheme: dark)');
		document.documentElement.setAttribute('data-darkmode', dark.matches);
	</script>
	<link rel="stylesheet" href="/luci-static/bootstrap/cascade.css">
	<link rel="stylesheet" media="only screen and (max-device-width: 854px)" href="/luci-static/bootstrap/mobile.css">
	<link rel="icon" href="data:,">
	<script src="/cgi-bin/luci/admin/translations/en"></script>
	<script src="/luci-static/resources/cbi.js"></script>
</head>
<body>
	<header><a class="brand" href="/">OpenWrt</a><div id="indicators" class="pull-right"></div></header>
	<main id="maincontent" class="container">
		<ul class="tabs">${[ 'setup', 'status', 'check', 'advanced' ].map(t =>
		`<li class="${view.endsWith(t) ? 'active' : ''}"><a href="/cgi-bin/luci/admin/services/tandem/${t}">${t[0].toUpperCase() + t.slice(1)}</a></li>`).join('')}</ul>
		<div id="view"><div class="spinning">Loading view…</div></div>
	</main>
	<script src="/luci-static/resources/luci.js"></script>
	<script>
		L = new LuCI(${JSON.stringify(env)});
		L.require('ui').then(ui => ui.instantiateView(${JSON.stringify(view)}));
	</script>
</body>
</html>`;
	}

	allowed(object, method) {
		const has = part => (part?.[object] ?? []).includes(method);
		return has(this.acl.read.ubus) || has(baseRead) || (this.mayWrite && (has(this.acl.write.ubus) || has(baseWrite)));
	}

	async rpc(one) {
		const reply = result => ({ jsonrpc: '2.0', id: one.id, result });
		if (one.method == 'list')
			return reply({});

		const [ , object, method, args ] = one.params;
		this.calls.push([ object, method, args ]);
		if (this.dead)
			return null;
		const otherPage = [ 'system', 'luci', 'network', 'network.device', 'network.wireless', 'luci-rpc', 'file' ].includes(object) && this.overview;
		if (!this.allowed(object, method) && !otherPage) {
			this.wrong.push(`${object} ${method} is not in the ACL`);
			return reply([ 6 ]);
		}
		if (object == 'uci' && args.config && ![ 'tandem', 'luci' ].includes(args.config) && !this.overview)
			this.wrong.push(`uci ${method} ${args.config} is not in the ACL`);

		switch (`${object} ${method}`) {
		case 'network.interface dump':
			return reply([ 0, { interface: this.interfaces } ]);
		case 'luci-rpc getHostHints':
			return reply([ 0, this.hints ]);
		case 'session access':
			return reply([ 0, { access: this.mayWrite } ]);
		case 'uci get':
			return reply([ 0, { values: args.config == 'tandem' ? uci.values(this.sections()) : {} } ]);
		case 'uci changes':
			return reply([ 0, { changes: this.staged ? { tandem: [ [ 'set', 'main' ] ] } : {} } ]);
		case 'uci add': case 'uci set': case 'uci delete': case 'uci order': {
			this.staged ??= [];
			this.staged.push([ method, args ]);
			const answer = uci.change(this.sections(this.staged.slice(0, -1)), method, args);
			return reply(answer ? [ 0, answer ] : [ 4 ]);
		}
		case 'file list':
			return reply([ 0, { entries: args.path.endsWith('/status/include') ? [ { name: '40_tandem.js', type: 'file' } ] : [] } ]);
		}
		if (object == 'luci.tandem')
			return reply(await this.plugin(method, args));
		return reply([ 4 ]);
	}

	/* The file with what is staged. */
	sections(staged = this.staged ?? []) {
		const sections = uci.parse(this.text());
		for (const [ method, args ] of staged)
			uci.change(sections, method, args);
		return sections;
	}

	apply() {
		if (!this.staged)
			return false;
		fs.writeFileSync(this.config, uci.print(this.sections()));
		this.staged = null;
		this.applied++;
		this.onApply?.();
		return true;
	}

	/*
	 * rpcd runs an exec plugin so: arguments on standard input, at most 30 s. An empty object becomes no answer,
	 * no output "no data"; the exit status does not count.
	 */
	plugin(method, args) {
		if (this.noPlugin)
			return [ 4 ];
		return new Promise(done => {
			const child = spawn(path.join(app, 'root/usr/libexec/rpcd/luci.tandem'), [ 'call', method ], {
				env: { PATH: `${path.join(this.dir, 'bin')}:/usr/bin:/bin` }, stdio: [ 'pipe', 'pipe', 'ignore' ],
			});
			let out = '';
			child.stdout.on('data', text => out += text);
			child.stdin.on('error', () => {}).end(JSON.stringify(args));
			child.on('close', () => {
				if (!out)
					return done([ 5 ]);
				try {
					const answer = JSON.parse(out);
					done(Object.keys(answer).length ? [ 0, answer ] : [ 0 ]);
				}
				catch (e) {
					done([ 2 ]);
				}
			});
		});
	}
}

async function body(request) {
	let text = '';
	for await (const part of request)
		text += part;
	return text;
}

/* What netifd would tell of a router with two WANs, the first in two families. */
function someInterfaces() {
	const out = [ { target: '0.0.0.0', mask: 0, nexthop: '203.0.113.1' } ];
	return [
		{ interface: 'loopback', up: true, l3_device: 'lo', proto: 'static', route: [] },
		{ interface: 'lan', up: true, l3_device: 'br-lan', proto: 'static', route: [] },
		{ interface: 'wwan', up: true, l3_device: 'wwan0', proto: 'qmi', metric: 20, route: out },
		{ interface: 'wan', up: true, l3_device: 'pppoe-wan', proto: 'pppoe', metric: 10, route: out },
		{ interface: 'wan6', up: true, l3_device: 'pppoe-wan', proto: 'dhcpv6', metric: 10, route: [ { target: '::', mask: 0 } ] },
	];
}

module.exports = { Router, someInterfaces };
