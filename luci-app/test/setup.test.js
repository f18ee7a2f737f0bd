'use strict';

const { test, before, after, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync, spawnSync } = require('node:child_process');
const { Router, someInterfaces } = require('./server.js');
const { launch, open, field, save, pairingLine } = require('./browser.js');

let browser, router, line;
before(async () => { browser = await launch(); line = pairingLine(); });
after(() => browser.close());
beforeEach(async () => { router = null; });
afterEach(async () => {
	if (!router)
		return;
	assert.deepEqual(router.wrong, []);
	await router.stop();
});

async function start(options) {
	router = new Router(options);
	await router.start();
	return router;
}

const cpe = (args, input) => spawnSync(router.cpe, [ ...args, '--config', router.dir, '--keys', path.join(router.dir, 'keys'), '--control', router.socket ], { input, encoding: 'utf8' });

async function until(what, condition) {
	for (let i = 0; i < 150; i++) {
		if (await condition())
			return;
		await new Promise(done => setTimeout(done, 100));
	}
	assert.fail(`never: ${what}`);
}

test('from a fresh install to paired: paste, Save & Apply', async () => {
	await start();
	const answers = [];
	const page = await open(browser, router, 'setup');
	page.on('response', async r => answers.push(await r.text().catch(() => '')));

	await field(page, 'main', '_line').fill(line);
	await page.getByText('The line is whole: concentrator 192.0.2.1, [2001:db8::1], port 5124').waitFor();
	await save(page);
	await until('applied', () => router.applied);

	/* The daemon reads what was meant, and the key is where it belongs. */
	const verdict = cpe([ 'validate' ]);
	assert.match(verdict.stdout, /valid: 1 concentrators, 2 lines/, verdict.stderr);
	const text = router.text();
	assert.match(text, /option enabled '1'/);
	assert.match(text, /config wan 'wan'\n(\t.*\n)*\toption interface 'wan'/);
	assert.match(text, /config wan 'wwan'\n(\t.*\n)*\toption metered '1'/);
	assert.ok(text.indexOf("config wan 'wan'") < text.indexOf("config wan 'wwan'"), 'the line of the lower metric is first');
	assert.ok(!text.includes('wan6'), 'the second family of one line is not another line');
	const keys = fs.readdirSync(path.join(router.dir, 'keys'));
	assert.equal(keys.length, 1);
	assert.equal(fs.statSync(path.join(router.dir, 'keys', keys[0])).mode & 0o777, 0o600);
	assert.match(text, new RegExp(`option key '${keys[0]}'`));

	/* The secret went to the router in one call and never came back. */
	const secret = fs.readFileSync(path.join(router.dir, 'keys', keys[0]), 'utf8').trim();
	assert.equal(router.calls.filter(c => JSON.stringify(c).includes(line)).length, 1);
	await page.getByText('Paired with the concentrator').waitFor();
	assert.equal(await field(page, 'main', '_line').inputValue(), '');
	await page.reload();
	await field(page, 'main', '_line').waitFor();
	const seen = answers.join('\n') + await page.content();
	for (const part of [ line, line.slice(20, 60), secret ])
		assert.ok(!seen.includes(part), 'the key came to the browser');

	/* What is saved is shown, and saving again changes nothing. */
	assert.ok(await field(page, 'main', 'enabled').isChecked());
	const before = router.text();
	await save(page);
	await until('answered', () => router.calls.filter(c => c[1] == 'changes').length > 1);
	assert.equal(router.text(), before);
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('the pairing line is judged as the daemon judges it', async () => {
	await start();
	const page = await open(browser, router, 'setup');
	const box = field(page, 'main', '_line');
	await box.waitFor();
	const swap = (s, i) => s.slice(0, i) + (s[i] == 'A' ? 'B' : 'A') + s.slice(i + 1);
	const lines = [
		line, `  ${line}\n`, line.slice(0, 40), line.slice(0, -1), line + 'A', line.slice(0, 30) + line.slice(31), swap(line, 9), swap(line, 50), swap(line, 80),
		swap(swap(line, 30), 40), swap(swap(line, 30), 90), swap(line, line.length - 1), line.slice(0, 50) + ' ' + line.slice(50), line.slice(0, 50) + '\n' + line.slice(50),
		line.slice(0, 50) + '+' + line.slice(51), line.toUpperCase(), 'tandem://' + line.slice(9).toLowerCase(), 'tandem://', 'tandem:/', 'https://example.net/', "'" + line + "'", line + line,
		'tandem://' + 'A'.repeat(63), 'tandem://' + 'A'.repeat(4096), 'tandem://<script>alert(1)</script>', line.slice(0, 33) + 'ö' + line.slice(34),
	];
	const said = await page.evaluate(async texts => {
		const pairing = await L.require('tandem.pairing');
		return texts.map(t => pairing.check(t));
	}, lines);
	lines.forEach((text, i) => {
		const out = JSON.parse(cpe([ 'join', '-', '--check', '--json' ], text).stdout);
		assert.equal(!!out.error, !!said[i].error, `${text}: daemon ${out.error}, page ${said[i].error}`);
		if (out.error)
			assert.equal(said[i].char, out.char ?? 0, `${text}: daemon ${out.error}, page ${said[i].error}`);
		else
			assert.deepEqual([ said[i].key, said[i].port, said[i].client, said[i].addresses ], [ out.key, out.port, out.client, out.addresses ]);
	});
	await page.context().close();
});

test('values are judged as the daemon judges them', async () => {
	/* written by the daemon's own tests, which ask its parser */
	const { texts, accepted } = JSON.parse(fs.readFileSync(path.join(__dirname, '../../cpe/config/testdata/verdicts.json')));
	await start();
	const schema = JSON.parse(execFileSync(router.cpe, [ 'schema' ]));
	const page = await open(browser, router, 'advanced');
	await field(page, 'main', 'port').waitFor();
	const wrong = await page.evaluate(async ([ schema, texts, accepted ]) => {
		const values = await L.require('tandem.values'), wrong = [];
		for (const type in schema)
			for (const name in schema[type])
				for (const text of accepted[`${type}.${name}`] ? texts : []) {
					const page = values.check(schema[type][name], text) === null, daemon = accepted[`${type}.${name}`].includes(text);
					if (page != daemon)
						wrong.push(`${type}.${name} = ${text.slice(0, 60)}: daemon ${daemon}, page ${page}`);
				}
		return wrong;
	}, [ schema, texts, accepted ]);
	assert.deepEqual(wrong, []);
	const known = await page.evaluate(() => L.require('tandem.values').then(v => v.kinds()));
	assert.deepEqual(Object.values(schema).flatMap(s => Object.values(s)).map(o => o.kind).filter(k => !known.includes(k)), [], 'kinds that the page does not know');
	await page.context().close();
});

/* Thirty ways to be wrong, each refused at its field, in words. */
const bad = [
	...[ 'tandem://abc', 'tandem://' + 'A'.repeat(100), 'https://example.net', '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', 'tandem://' + 'x'.repeat(4096) ].map(v => [ 'setup', '_line', v ]),
	[ 'setup', '_line', l => l.slice(0, -3) ], [ 'setup', '_line', l => l.slice(0, 40) + l.slice(42) ], [ 'setup', '_line', l => l + l ],
	...[ '0', '65536', '-1', 'http', '5124.5', '<b>80</b>' ].map(v => [ 'advanced', 'port', v ]),
	...[ '99', '10001', 'soon' ].map(v => [ 'advanced', 'connect_timeout', v ]),
	...[ '-1', '101' ].map(v => [ 'advanced', 'first_data_wait', v ]),
	...[ '0', '1048577', '1e3' ].map(v => [ 'advanced', 'max_flows', v ]),
	...[ 'relative', '/a/../b', '/' + 'x'.repeat(4096), '/a/' ].map(v => [ 'advanced', 'control', v ]),
	...[ '1048577', '-5', '64M' ].map(v => [ 'advanced', 'memory_limit', v ]), [ 'advanced', 'control', '<img src=x onerror=alert(1)>' ], [ 'advanced', 'port', '5'.repeat(4096) ],
];

test(`bad input is refused at the field: ${bad.length} cases`, async () => {
	await start();
	const original = router.text();
	for (const at of [ 'setup', 'advanced' ]) {
		const page = await open(browser, router, at);
		for (const [ , option, value ] of bad.filter(b => b[0] == at)) {
			const text = typeof(value) == 'function' ? value(line) : value;
			const input = field(page, 'main', option);
			await input.fill(text);
			await input.blur();
			await save(page);
			const said = page.locator(`[id="cbi-tandem-main-${option}"] [data-tooltip]`).first();
			await said.waitFor({ state: 'attached' });
			assert.match(await said.getAttribute('data-tooltip'), /\S+ \S+ \S+/, `${option} ${text}: a sentence`);
			assert.ok(await page.locator(`[id="cbi-tandem-main-${option}"] .cbi-input-invalid`).count(), `${option} ${text}: marked`);
			await input.fill('');
			await input.blur();
		}
		assert.deepEqual(page.faults, [], at);
		assert.equal(await page.locator('#view script, #view img, .alert-message script, .alert-message img').count(), 0, 'markup was taken as such');
		await page.context().close();
	}
	assert.equal(router.text(), original, 'something was written');
	assert.equal(router.applied, 0);
	assert.ok(!router.calls.some(c => c[1] == 'join' || c[1] == 'set'), 'something was sent');
});

/* Lists: by section, option and what is entered. */
const evil = [ '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>' ];
const badLists = [
	[ 'main', 'lan', 'a/b', 'abcdefghijklmnop', 'br lan', '..', 'L'.repeat(4096), ...evil ],
	[ 'main', 'server_first_port', '0', '70000', '-1', '22,23', '1e3', '<b>80</b>' ],
	[ 'concentrator', 'address', '192.0.2.256', 'host.example', '0.0.0.0', '224.0.0.1', '192.0.2.1/24', '::ffff:192.0.2.1', ...evil ],
	[ 'bypass', 'destination', '192.0.2.1/24', '192.0.2.0/33', 'example.org', '2001:db8:::/32', evil[1] ],
	[ 'bypass', 'port', '0', '90-80', '1-65536', '80-', '80-90-100', evil[0] ],
	[ 'bypass', 'host', '02:00:5e:00:53', '02:00-5e:00:53:01', '192.168.1.300', 'notebook', evil[1] ],
];

test(`bad entries of lists are refused: ${badLists.flatMap(b => b.slice(2)).length} cases, typed and pasted`, async () => {
	await start({ config: "config tandem 'main'\n\toption enabled '0'\n\nconfig concentrator 'home'\n\tlist address '192.0.2.1'\n\nconfig bypass\n\tlist port '25'\n" });
	const original = router.text(), page = await open(browser, router, 'advanced');
	await field(page, 'main', 'port').waitFor();
	for (const [ section, option, ...texts ] of badLists) {
		const inMain = section == 'main';
		if (!inMain)
			await page.locator(`#cbi-tandem-${section} .cbi-button-edit`).click();
		const row = inMain ? page.locator(`[id="cbi-tandem-main-${option}"]`) : page.locator(`.modal [id^="cbi-tandem-"][id$="-${option}"]`);
		const input = row.locator('.add-item input'), items = row.locator('.cbi-dynlist .item');
		await input.waitFor(); /* the dialog is drawn later than it is asked for */
		const before = await items.count();
		const refused = async what => {
			const said = row.locator('[data-tooltip]').first();
			await said.waitFor({ state: 'attached' });
			assert.match(await said.getAttribute('data-tooltip'), /\S+ \S+ \S+/, `${what}: a sentence`);
			if (inMain) {
				await save(page);
				await page.locator('.alert-message', { hasText: 'invalid input value' }).getByRole('button', { name: 'Dismiss' }).click();
				await page.locator('.alert-message').waitFor({ state: 'detached' });
			}
			else {
				await page.locator('.modal .cbi-button-positive').click();
				await page.locator('.modal .cbi-button-positive:enabled').waitFor();
			}
			assert.ok(await row.locator('.cbi-input-invalid').count(), `${what}: marked`);
		};
		for (const text of texts) {
			await input.fill(text.slice(0, -1));
			await input.press('End');
			await input.pressSequentially(text.slice(-1));
			await input.press('Enter');
			await refused(`${option} ${text} typed`);
			assert.equal(await items.count(), before, `${option} ${text}: taken into the list`);

			/* by mouse: no key goes up before Enter */
			await input.fill('');
			await input.press('Backspace');
			await input.fill(text);
			await input.press('Enter');
			await refused(`${option} ${text} pasted`);
			while (await items.count() > before) {
				await items.last().focus();
				await page.keyboard.press('Backspace');
			}
			await input.fill('');
			await input.press('Backspace');
		}
		if (!inMain) {
			await page.locator('.modal').getByRole('button', { name: 'Dismiss' }).click();
			await page.locator('.modal').waitFor({ state: 'hidden' });
		}
	}
	assert.deepEqual(page.faults, []);
	assert.equal(await page.locator('#view script, #view img, .modal script, .modal img, .alert-message script, .alert-message img').count(), 0, 'markup was taken as such');
	assert.equal(router.text(), original, 'something was written');
	assert.ok(!router.calls.some(c => [ 'set', 'add', 'delete', 'order' ].includes(c[1])), 'something was sent');
	await page.context().close();
});

test('all lines on standby, and a line that is there already, are refused', async () => {
	await start({ config: "config tandem 'main'\n\toption enabled '0'\nconfig wan 'dsl'\n\toption device 'pppoe-wan'\n" });
	const page = await open(browser, router, 'setup');
	await field(page, 'dsl', 'role').waitFor();
	assert.equal(await field(page, 'wan', 'role').count(), 0, 'the interface of a line that is named by device is not offered again');
	assert.ok(!await field(page, 'wwan', 'enabled').isChecked(), 'a new find is offered, not used');
	await field(page, 'dsl', 'role').selectOption('standby');
	await save(page);
	await page.locator('[data-tooltip*="not be on standby"]').first().waitFor({ state: 'attached' });
	assert.equal(router.applied, 0);

	/* not taken into use: no section */
	await field(page, 'dsl', 'role').selectOption('primary');
	await save(page);
	await until('applied', () => router.applied);
	assert.ok(!router.text().includes('wwan'), router.text());
	assert.match(router.text(), /option role 'primary'/);
	await page.context().close();
});

test('the router refuses a line: said at the field, nothing is saved', async () => {
	await start();
	const page = await open(browser, router, 'setup');
	await field(page, 'main', '_line').fill(line);
	router.wrap(`case "$*" in *join*) echo '{"error":"the disk is full <b>","kind":"failed"}';; *) exec ${router.cpe} "$@" --config ${router.dir} --control ${router.socket};; esac`);
	const before = router.text();
	await save(page);
	await page.locator('.tandem-said', { hasText: 'the disk is full <b>' }).waitFor();
	assert.equal(await field(page, 'main', '_line').inputValue(), line, 'the line stays for another try');
	assert.equal(router.text(), before);
	assert.equal(router.staged, null);
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('who may only read sees everything and changes nothing', async () => {
	await start({ mayWrite: false });
	for (const at of [ 'setup', 'advanced', 'check', 'status' ]) {
		const page = await open(browser, router, at);
		await page.locator('#view h2').waitFor();
		const buttons = page.locator('.cbi-button-apply, .cbi-button-save');
		for (let i = 0; i < await buttons.count(); i++)
			assert.ok(await buttons.nth(i).isDisabled() || await buttons.nth(i).getAttribute('disabled') != null || !await buttons.nth(i).isVisible(), at);
		await page.context().close();
	}
	assert.ok(!router.calls.some(c => [ 'set', 'add', 'delete', 'join', 'check' ].includes(c[1])));
});

test('a bypass entry and a concentrator by hand, in the grids', async () => {
	await start();
	const page = await open(browser, router, 'advanced');
	await page.locator('#cbi-tandem-bypass .cbi-button-add').click();
	const modal = page.locator('.modal');
	const ports = modal.locator('[data-name="port"] .add-item input, [id$="-port"] .add-item input').first();
	await ports.fill('8000-8100');
	await ports.press('Enter');
	await modal.locator('.cbi-button-positive').click();
	await modal.waitFor({ state: 'hidden' });
	await page.locator('#cbi-tandem-bypass').getByText('8000-8100').waitFor();
	await save(page);
	await until('applied', () => router.applied);
	assert.match(router.text(), /config bypass.*\n\tlist port '8000-8100'/);
	assert.match(cpe([ 'validate' ]).stdout, /valid/);
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

test('a rule is refused where the daemon refuses it, and saved as it reads it', async () => {
	await start();
	const page = await open(browser, router, 'advanced'), modal = page.locator('.modal');
	const row = name => modal.locator(`[id^="cbi-tandem-"][id$="-${name}"]`);
	const enter = async (name, text) => {
		await row(name).locator('.add-item input').fill(text);
		await row(name).locator('.add-item input').press('Enter');
	};
	const refused = async text => {
		await modal.locator('.cbi-button-positive').click();
		await row('action').locator(`[data-tooltip*="${text}"]`).waitFor({ state: 'attached' });
		await modal.locator('.cbi-button-positive:enabled').waitFor();
	};
	await page.locator('#cbi-tandem-rule .cbi-button-add').click();
	await refused('would be for everything');
	await enter('host', '192.168.1.20');
	await enter('destination', '2001:db8::/32');
	await refused('is for nothing');
	await enter('host', '02:00:5e:00:53:01');
	await row('action').locator('select').selectOption('failover');
	await row('proto').locator('select').selectOption('udp');
	await refused('for TCP only');
	await row('proto').locator('select').selectOption('tcp');
	await modal.locator('.cbi-button-positive').click();
	await modal.waitFor({ state: 'hidden' });
	await page.locator('#cbi-tandem-rule').getByText('2001:db8::/32').waitFor();
	assert.equal(router.applied, 0);
	await save(page);
	await until('applied', () => router.applied);
	assert.match(router.text(), /config rule[\s\S]*option action 'failover'/);
	assert.match(cpe([ 'validate' ]).stdout, /valid/);
	assert.deepEqual(page.faults, []);
	await page.context().close();
});
