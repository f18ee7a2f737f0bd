'use strict';

const path = require('node:path');
const fs = require('node:fs');
const { execFileSync } = require('node:child_process');
const os = require('node:os');
const modules = path.resolve(__dirname, '../../build/luci-test/node_modules');
const { chromium } = require(path.join(modules, 'playwright-core'));

const axe = fs.readFileSync(path.join(modules, 'axe-core/axe.min.js'), 'utf8');

/* Debian's Chromium, kept from calling home. */
function launch() {
	return chromium.launch({
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
		args: [ '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync' ],
	});
}

/*
 * open opens one page of a router. What goes wrong in it is collected: errors
 * of scripts, of the console, and dialogs, which only injected markup opens.
 */
async function open(browser, router, at, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1000, height: 900 }, ...options });
	const page = await context.newPage();
	page.faults = [];
	page.on('pageerror', err => page.faults.push(String(err.stack ?? err)));
	page.on('dialog', d => { page.faults.push('dialog: ' + d.message()); d.dismiss(); });
	page.on('console', m => {
		/* LuCI itself looks for files that may be missing; Chromium reports those */
		if (m.type() == 'error' && !/Failed to load resource/.test(m.text()))
			page.faults.push('console: ' + m.text());
	});
	page.setDefaultTimeout(15000);
	await page.goto(router.url + 'admin/services/tandem/' + at);
	return page;
}

/* field is the input of an option, in LuCI's way of naming. */
const field = (page, section, option) => page.locator(`[id="widget.cbid.tandem.${section}.${option}"], [id="cbid.tandem.${section}.${option}"] input[type="checkbox"]`);

const save = page => page.locator('.cbi-page-actions .cbi-button-apply').first().click();

/* A pairing line as a concentrator prints it, and the secret in it. */
function pairingLine() {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tandem-vm-'));
	const config = path.join(dir, 'c.toml');
	fs.writeFileSync(config, `state = "${dir}/state"\nadvertise = [ "192.0.2.1", "2001:db8::1" ]\n`);
	fs.mkdirSync(path.join(dir, 'state'));
	const line = execFileSync(path.resolve(__dirname, '../../build/tandem-concentrator'), [ 'client', '--config', config, 'add', 'house' ],
		{ stdio: [ 'ignore', 'pipe', 'ignore' ] }).toString().trim();
	fs.rmSync(dir, { recursive: true });
	return line;
}

async function serious(page) {
	await page.evaluate(axe);
	const found = await page.evaluate(() => window.axe.run('#view', { resultTypes: [ 'violations' ] }));
	return found.violations.filter(v => [ 'serious', 'critical' ].includes(v.impact)).map(v => `${v.id}: ${v.nodes.map(n => n.target + ' ' + n.html.slice(0, 120)).join('; ')}`);
}

module.exports = { launch, open, field, save, pairingLine, serious };
