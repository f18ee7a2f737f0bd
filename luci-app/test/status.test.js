'use strict';

const { test, before, after, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Router } = require('./server.js');
const { sample, someFlows } = require('./daemon.js');
const { launch, open, field, serious } = require('./browser.js');

const paired = "config tandem 'main'\n\toption enabled '1'\n\nconfig concentrator 'home'\n\tlist address '192.0.2.1'\n\nconfig wan 'dsl'\n\toption interface 'wan'\n";

let browser, router;
const used = new Set();
before(async () => { browser = await launch(); });
after(() => browser.close());
beforeEach(async () => {
	router = new Router({ config: paired });
	await router.start();
});
afterEach(async () => {
	router.calls.filter(c => c[0] != 'uci').forEach(c => used.add(`${c[0]} ${c[1]}`));
	assert.deepEqual(router.wrong, []);
	await router.stop();
});

const view = page => page.locator('#view');
const says = (page, text) => view(page).getByText(text).first().waitFor();
const asked = () => router.calls.filter(c => c[0] == 'luci.tandem' && c[1] == 'status').length;

async function until(what, condition) {
	for (let i = 0; i < 300; i++) {
		if (await condition())
			return;
		await new Promise(done => setTimeout(done, 50));
	}
	assert.fail(`never: ${what}`);
}

test('what the daemon says is seen, and follows it', async () => {
	const page = await open(browser, router, 'status');
	await says(page, 'dsl');
	const card = name => page.locator('.t-line', { has: page.locator(`strong:text-is("${name}")`) });
	assert.match(await card('dsl').innerText(), /works[\s\S]*18\.4.Mbit\/s[\s\S]*2\.3.Mbit\/s[\s\S]*31.ms/);
	assert.match(await card('lte').innerText(), /metered[\s\S]*no bonding[\s\S]*14\.2.GB of 20\.0.GB used[\s\S]*operator of this line removes MPTCP\. It is used for new connections only when the other lines are down/);
	assert.match(await card('spare').innerText(), /ready, not needed/);
	assert.match(await view(page).innerText(), /94 % of 1000/);
	await says(page, 'notebook');
	assert.match(await page.locator('.t-graph svg').getAttribute('aria-label'), /26\.0.Mbit\/s down/);

	/* sorted by what was clicked */
	const hosts = () => page.locator('.t-flows tbody tr td:first-child').allInnerTexts();
	await page.getByRole('button', { name: 'Host' }).click();
	const up = await hosts();
	assert.deepEqual(up, [ ...up ].sort());
	await page.getByRole('button', { name: 'Host' }).click();
	assert.deepEqual(await hosts(), [ ...up ].sort().reverse());

	router.daemon.status.wans[0].state = 'down';
	router.daemon.status.wans[0].up = false;
	router.daemon.status.wans[0].reason = 'no carrier';
	router.daemon.flows = someFlows(3);
	await card('dsl').getByText('Nothing goes through this line').waitFor();
	assert.match(await card('dsl').innerText(), /✕ down[\s\S]*no carrier/);
	await until('three rows', async () => (await hosts()).length == 3);
	router.daemon.status.concentrators[0].up = false;
	await says(page, 'No concentrator answers');
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('stopped, nonsense, old, slow, gone: said, and over by itself', async () => {
	const page = await open(browser, router, 'status');
	await says(page, 'dsl');

	await router.daemon.stop();
	await says(page, 'Tandem is not running');
	assert.ok(!await page.locator('.t-path').isVisible(), 'no old figures');
	await router.daemon.start();
	await page.locator('.t-path').waitFor();
	assert.equal(await page.locator('.alert-message').count(), 0);

	for (const [ behaviour, text ] of [ [ 'nonsense', 'something' ], [ 'other', 'does not understand' ], [ 'fragment', 'something' ] ]) {
		router.daemon.behave = behaviour;
		await view(page).locator('.alert-message', { hasText: text }).waitFor();
	}
	router.daemon.behave = 'old';
	await page.locator('.t-path').waitFor();
	assert.match(await page.locator('.t-line').first().innerText(), /dsl[\s\S]*works[\s\S]*–/);

	router.daemon.behave = 'slow';
	await view(page).locator('.alert-message', { hasText: 'slow to answer' }).waitFor();
	router.daemon.behave = 'well';
	await until('no notice', async () => await page.locator('.alert-message').count() == 0);

	router.noPlugin = true;
	await says(page, 'older than these pages, or is not installed');
	router.noPlugin = false;
	await page.locator('.t-path').waitFor();
	router.wrap('exit 2'); /* a program that does not know the word rpcd */
	await says(page, 'older than these pages, or is not installed');
	router.unwrap();
	await page.locator('.t-path').waitFor();

	router.dead = true;
	await says(page, 'does not answer in time');
	router.dead = false;
	await page.locator('.t-path').waitFor();
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('not paired and switched off are said as such', async () => {
	await router.daemon.stop();
	fs.writeFileSync(router.config, "config tandem 'main'\n\toption enabled '0'\n");
	let page = await open(browser, router, 'status');
	await says(page, 'not paired with a concentrator yet');
	await page.getByRole('link', { name: 'Set it up' }).waitFor();
	await page.context().close();

	fs.writeFileSync(router.config, paired.replace("'1'", "'0'"));
	page = await open(browser, router, 'status');
	await says(page, 'Tandem is switched off');
	await page.context().close();

	fs.writeFileSync(router.config, paired + "\toption role 'chief'\n");
	await router.daemon.start();
	page = await open(browser, router, 'status');
	await says(page, '"chief" is not one of');
	await page.context().close();
});

test('markup in names is text', async () => {
	const evil = '"><img src=x onerror=alert(1)><script>alert(2)</script>';
	const s = router.daemon.status;
	s.version = s.concentrators[0].name = s.concentrators[0].reason = evil;
	for (const w of s.wans)
		Object.assign(w, { name: w.name + evil, role: evil, reason: evil, device: evil, state: evil });
	s.wans[1].quota.resets = evil;
	s.wans.push({ ...s.wans[0], name: evil + 'L'.repeat(4096) });
	router.daemon.flows = someFlows(5).map(f => ({ ...f, host: evil, destination: evil, mode: evil, subflows: f.subflows.map(x => ({ ...x, wan: evil })) }));
	router.hints = { [evil]: { name: evil, ipaddrs: [ '192.168.1.20', evil ] } };
	router.interfaces.push({ interface: evil, up: true, l3_device: evil, proto: evil, route: [ { target: '0.0.0.0', mask: 0 } ] });
	router.wrap(`case "$*" in *progress*) echo '{"running":false,"output":${JSON.stringify(JSON.stringify(evil + "'")).replaceAll("'", '')}}';; *) exec ${router.cpe} "$@" --config ${router.dir} --control ${router.socket};; esac`);

	for (const at of [ 'status', 'setup', 'advanced', 'check' ]) {
		const page = await open(browser, router, at);
		await page.locator('#view h2').waitFor();
		if (at == 'status')
			await says(page, 'onerror');
		assert.equal(await page.locator('#view img, #view script').count(), 0, at);
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true, `${at}: a long name makes the page wide`);
		assert.deepEqual(page.faults, [], at);
		await page.context().close();
	}
});

test('a hidden tab asks nothing; a look is never more than 5 s away; a poll costs little', async t => {
	router.daemon.flows = someFlows(200);
	const page = await open(browser, router, 'status');
	await until('200 rows', async () => await page.locator('.t-flows tbody tr').count() == 200);

	const hide = hidden => page.evaluate(h => {
		Object.defineProperty(document, 'hidden', { value: h, configurable: true });
		document.dispatchEvent(new Event('visibilitychange'));
	}, hidden);

	let n = asked();
	const times = [];
	while (times.length < 3) {
		await until('another look', () => asked() > n);
		n = asked();
		times.push(Date.now());
	}
	for (let i = 1; i < times.length; i++)
		assert.ok(times[i] - times[i - 1] < 6500, `${times[i] - times[i - 1]} ms between two looks`);

	/* CPU of the page's thread, which other work on this machine does not count in */
	const devtools = await page.context().newCDPSession(page);
	await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
	const busy = async () => (await devtools.send('Performance.getMetrics')).metrics.find(m => m.name == 'TaskDuration').value;
	const before = await busy(), start = asked();
	await until('five looks', () => asked() >= start + 5);
	const cost = (await busy() - before) * 1000 / 5;
	t.diagnostic(`CPU of the page: ${cost.toFixed(1)} ms a poll with 200 flows`);

	await hide(true);
	await until('what was under way has ended', async () => { const a = asked(); await new Promise(d => setTimeout(d, 1500)); return a == asked(); });
	const quiet = asked();
	await new Promise(done => setTimeout(done, 7000));
	assert.equal(asked(), quiet, 'a hidden tab asked');
	await hide(false);
	await until('a look at once', () => asked() > quiet);
	await page.context().close();
});

test('a page has at most 60 KB of our own files', async t => {
	for (const at of [ 'status', 'setup', 'check', 'advanced' ]) {
		router.sizes = {};
		const page = await open(browser, router, at);
		await page.locator('#view h2').waitFor();
		const sum = Object.values(router.sizes).reduce((a, b) => a + b, 0);
		t.diagnostic(`${at}: ${(sum / 1000).toFixed(1)} KB in ${Object.keys(router.sizes).length} files`);
		assert.ok(sum > 1000 && sum <= 60000, `${at}: ${sum} bytes`);
		await page.context().close();
	}
});

for (const scheme of [ 'light', 'dark' ]) {
	for (const width of [ 1000, 360 ]) {
		test(`accessible and not too wide: ${scheme}, ${width} px`, async () => {
			for (const at of [ 'status', 'setup', 'check', 'advanced' ]) {
				const page = await open(browser, router, at, { colorScheme: scheme, viewport: { width, height: 800 }, isMobile: width < 500, hasTouch: width < 500 });
				await page.locator('#view h2').waitFor();
				if (at == 'status')
					await says(page, 'notebook');
				assert.deepEqual(await serious(page), [], at);
				assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true, `${at} scrolls sideways`);
				await page.context().close();
			}
		});
	}
}

test('the check streams its progress and ends with a report without secrets', async () => {
	const secret = 'c0ffee'.repeat(11), file = path.join(router.dir, 'progress.json');
	const prints = (running, ...lines) => {
		fs.writeFileSync(file + '.new', JSON.stringify({ running, output: lines.join('\n') }));
		fs.renameSync(file + '.new', file);
	};
	router.wrap(`case "$*" in *" progress") cat ${file};; *" check") echo '{"running":true}';; *) exit 1;; esac`);
	prints(false);
	const page = await open(browser, router, 'check');
	const button = page.getByRole('button', { name: 'Check the lines' });
	await button.waitFor();
	prints(true, '{"step": "dsl: first packet <b>"}');
	await button.click();
	await says(page, 'Checking…');
	await says(page, 'dsl: first packet <b>');
	assert.ok(await button.isDisabled());
	prints(true, '{"step": "dsl: first packet <b>"}', '{"step": "lte: round trip"}');
	await says(page, 'lte: round trip');
	prints(false, '{"step": "dsl: first packet <b>"}', JSON.stringify({ wans: [
		{ name: 'dsl', ok: true, verdict: 'good', findings: [ 'MPTCP passes' ] },
		{ name: 'lte', ok: false, verdict: 'no bonding', findings: [ `MPTCP is stripped ${secret}` ] } ] }));
	await says(page, 'MPTCP passes');
	await says(page, 'no bonding');
	const report = page.getByRole('textbox', { name: 'Report' });
	assert.match(await report.inputValue(), /MPTCP is stripped …/);
	await page.getByRole('button', { name: 'Copy' }).click();
	await page.getByText(/Copied|by hand/).waitFor();
	assert.ok(!await button.isDisabled());
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('the widget on the overview page', async () => {
	const page = await open(browser, router, 'status');
	await says(page, 'dsl');
	const text = await page.evaluate(async () => {
		const widget = await L.require('view.status.include.40_tandem');
		const node = widget.render(await widget.load());
		document.querySelector('#view').append(node);
		return node.innerText;
	});
	assert.match(text, /dsl[\s\S]*works[\s\S]*12 connections through concentrator “home”/);
	await router.daemon.stop();
	assert.equal(await page.evaluate(async () => {
		const widget = await L.require('view.status.include.40_tandem');
		return widget.render(await widget.load());
	}), null, 'hidden where Tandem does not run');
	assert.deepEqual(page.faults, []);
	await page.context().close();
});
