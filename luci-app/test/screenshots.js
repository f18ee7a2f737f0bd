'use strict';

/* Takes the pictures of the pages that the documentation shows: screenshots.js FOLDER */

const fs = require('node:fs');
const path = require('node:path');
const { Router } = require('./server.js');
const { someFlows } = require('./daemon.js');
const { launch, open, field, pairingLine } = require('./browser.js');

const paired = "config tandem 'main'\n\toption enabled '1'\n\nconfig concentrator 'home'\n\tlist address '192.0.2.1'\n\nconfig wan 'dsl'\n\toption interface 'wan'\n";
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/* Rates as a day has them, so that the graph shows something. */
function history() {
	const now = Date.now() / 1000, samples = [];
	for (let s = 300; s > 0; s -= 3) {
		const busy = s < 210 && s > 40 ? 1 : 0.25;
		samples.push({ t: now - s, rates: {
			dsl: [ 18e6 * busy * (0.9 + 0.1 * Math.sin(s / 9)), 2e6 * busy ], lte: [ 12e6 * Math.max(0, busy - 0.3) * (0.8 + 0.3 * Math.sin(s / 17)), 8e5 * busy ], spare: [ 0, 0 ],
		} });
	}
	return JSON.stringify(samples);
}

async function main(folder) {
	fs.mkdirSync(folder, { recursive: true });
	const browser = await launch(), line = pairingLine();
	const shoot = async (name, at, options, prepare) => {
		const router = new Router({ config: at == 'setup' ? undefined : paired });
		router.daemon.flows = someFlows(8);
		await router.start();
		const page = await open(browser, router, at, options);
		await page.evaluate(h => sessionStorage.setItem('tandem-rates', h), history());
		await page.evaluate(() => window.addEventListener('pagehide', ev => ev.stopImmediatePropagation(), true));
		await page.reload();
		await page.locator('#view h2').waitFor();
		await prepare?.(page, router);
		await page.screenshot({ path: path.join(folder, name + '.png'), fullPage: true });
		await page.context().close();
		await router.stop();
	};
	const live = page => page.getByText('notebook').first().waitFor();
	const paste = async page => {
		await field(page, 'main', '_line').fill(line);
		await page.getByText('The line is whole').waitFor();
		/* a picture shows no key, not even one of a test */
		await field(page, 'main', '_line').evaluate(box => box.value = 'tandem://AQA9…');
	};
	await shoot('setup', 'setup', {}, paste);
	await shoot('status', 'status', {}, live);
	await shoot('status-dark', 'status', { colorScheme: 'dark' }, live);
	await shoot('status-phone', 'status', phone, live);
	await browser.close();
}

main(process.argv[2] ?? 'docs/luci').catch(err => { console.error(err); process.exit(1); });
