'use strict';

const { test } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const app = path.join(__dirname, '..');

function files(dir) {
	return fs.readdirSync(dir, { withFileTypes: true }).flatMap(e => e.isDirectory() ? files(path.join(dir, e.name)) : [ path.join(dir, e.name) ]);
}

/* The strings that the pages show, and the titles of menu and rights. */
function strings() {
	const found = new Set();
	for (const file of files(path.join(app, 'htdocs')).filter(f => f.endsWith('.js')))
		for (const [ , text ] of fs.readFileSync(file, 'utf8').matchAll(/\b_\('((?:[^'\\]|\\.)*)'\)/g))
			found.add(text);
	const json = file => Object.values(JSON.parse(fs.readFileSync(path.join(app, 'root/usr/share', file), 'utf8')));
	json('luci/menu.d/luci-app-tandem.json').forEach(m => found.add(m.title));
	json('rpcd/acl.d/luci-app-tandem.json').forEach(a => found.add(a.description));
	return found;
}

function messages(file) {
	const text = fs.readFileSync(file, 'utf8'), all = new Map();
	for (const [ , id, said ] of text.matchAll(/^msgid (".*")\nmsgstr (".*")$/gm))
		if (id != '""')
			all.set(JSON.parse(id), JSON.parse(said));
	return all;
}

const places = text => text.match(/%[sd%]/g) ?? [];

test('the template has the strings of the pages, and each language has them all', t => {
	const wanted = [ ...strings() ].sort();
	assert.ok(wanted.length > 100);
	assert.deepEqual([ ...messages(path.join(app, 'po/templates/tandem.pot')).keys() ].sort(), wanted);
	for (const language of [ 'de', 'fr', 'es', 'zh_Hans' ]) {
		const have = messages(path.join(app, 'po', language, 'tandem.po'));
		assert.deepEqual([ ...have.keys() ].sort(), wanted, language);
		for (const [ id, said ] of have) {
			assert.ok(said, `${language}: ${id}`);
			assert.deepEqual(places(said), places(id), `${language}: ${id}`);
		}
	}
	t.diagnostic(`${wanted.length} strings in 4 languages`);
});
