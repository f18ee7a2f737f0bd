'use strict';

/* The pages before a real router: the lab's, with the real daemon, over two lines of the lab. */

const { test, before, after } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Router } = require('./server.js');
const { Lab } = require('./lab.js');
const { launch, open, field, save, serious } = require('./browser.js');

/* What netifd would say of the lab's router. */
const out = nexthop => [ { target: '0.0.0.0', mask: 0, nexthop } ];
const interfaces = [
	{ interface: 'lan', up: true, l3_device: 'lan', proto: 'static', route: [] },
	{ interface: 'wan', up: true, l3_device: 'dsl', proto: 'dhcp', metric: 10, route: out('198.51.100.1') },
	{ interface: 'wwan', up: true, l3_device: 'lte', proto: 'dhcp', metric: 20, route: out('198.51.100.129') },
];

let browser, lab, router, daemon;

before(async () => {
	browser = await launch();
	lab = new Lab();
	await lab.up();
	router = new Router({ daemon: false, interfaces, config: "config tandem 'main'\n\toption enabled '0'\n\tlist lan 'lan'\n" });
	const flags = `--config ${router.dir} --keys ${router.dir}/keys --control ${router.socket}`;
	router.wrap(`exec ${lab.command('cpe', router.cpe).join(' ')} "$@" ${flags}`);

	/*
	 * What procd and the init script do when the configuration has changed, and
	 * what netifd would answer. A SIGHUP that comes before the daemon can take it
	 * ends it; procd starts it again.
	 */
	const start = () => {
		daemon = lab.spawn('cpe', 'env', `PATH=${router.dir}/bin:${process.env.PATH}`, router.cpe, 'run', ...flags.split(' '));
		daemon.on('exit', () => lab.ending || start());
	};
	const run = () => /option enabled '1'/.test(router.text()) && (daemon ? daemon.kill('SIGHUP') : start());
	router.program('reload_config', `kill -USR2 ${process.pid}`);
	process.on('SIGUSR2', run); // reload_config, which join calls
	router.onApply = run;
	router.program('ubus', `cat ${router.dir}/interfaces`);
	fs.writeFileSync(path.join(router.dir, 'interfaces'), JSON.stringify({ interface: interfaces }));
	await router.start();
});

after(async () => {
	await browser.close();
	await lab.down();
	assert.deepEqual(router.wrong, []);
	await router.stop();
});

const says = (page, text) => page.locator('#view').getByText(text).first().waitFor();
const status = async () => JSON.parse(await lab.exec('cpe', router.cpe, 'status', '--json', '--config', router.dir, '--control', router.socket));

test('paste, Save & Apply: a download of the LAN comes over both lines', async t => {
	const begin = Date.now();
	const page = await open(browser, router, 'setup');
	await field(page, 'main', '_line').fill(lab.line.trim());
	await page.getByText('The line is whole: concentrator 203.0.113.1').waitFor();
	await save(page);
	await page.getByText('Paired with the concentrator as “house”').waitFor();

	/* as a host of the LAN, which knows of nothing, until both lines carry */
	const bonded = async () => {
		const got = await lab.exec('lan', 'curl', '-sS', '--fail', '-o', '/dev/null', '-w', '%{size_download}', 'http://203.0.113.10/bytes/4000000');
		assert.equal(got, '4000000', 'the LAN is never without the Internet');
		try {
			const s = await status();
			return s.flows.mptcp > 0 && s.wans.length == 2 && s.wans.every(w => w.total_down_bytes > 500000);
		}
		catch (e) { return false; /* not started yet */ }
	};
	while (!await bonded())
		assert.ok(Date.now() - begin < 60000, `not bonded after a minute:\n${daemon?.said}\n${router.text()}`);
	t.diagnostic(`from the opened page to bonded traffic: ${((Date.now() - begin) / 1000).toFixed(1)} s`);

	/* the pages that were touched: one; and the status page shows it */
	await page.goto(router.url + 'admin/services/tandem/status');
	await says(page, 'wwan');
	for (const name of [ 'wan', 'wwan' ])
		await page.locator('.t-line', { has: page.locator(`strong:text-is("${name}")`) }).getByText('✓ works').waitFor();
	await says(page, 'reachable');
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('the Check page shows what the real check says while it works', async () => {
	const page = await open(browser, router, 'check');
	const button = page.getByRole('button', { name: 'Check the lines' }), report = page.getByRole('textbox', { name: 'Report' });
	const card = name => page.locator('#view .t-line', { has: page.locator(`strong:text-is("${name}")`) });

	/* a line that swallows packets is waited for: what was found before is seen meanwhile */
	await lab.link('lte', '--blackhole', 'on');
	await button.click();
	await says(page, 'Checking…');
	await page.locator('#view pre', { hasText: /wan/ }).first().waitFor();
	assert.equal(await page.locator('#view .t-line').count(), 0, 'verdicts stand at the end');
	assert.ok(!await report.isVisible() && await button.isDisabled());
	await card('wan').getByText('✓ works').waitFor({ timeout: 60000 });
	assert.match(await card('wwan').innerText(), /✕ the concentrator does not answer over this line/);
	await lab.link('lte', '--blackhole', 'off');

	await button.click();
	await card('wwan').getByText('✓ works').waitFor({ timeout: 60000 });
	assert.deepEqual(await serious(page), []);
	const text = await report.inputValue(), keys = path.join(router.dir, 'keys');
	assert.match(text, /"verdict"/);
	for (const file of fs.readdirSync(keys))
		assert.ok(!text.includes(fs.readFileSync(path.join(keys, file), 'utf8').trim().split('\n').at(-1)), 'a key is in the report');
	assert.ok(!text.includes('tandem://'));
	assert.deepEqual(page.faults, []);
	await page.context().close();
});
