'use strict';

/*
 * As much of a UCI file as the tests need: what rpcd's uci object would have
 * read, and what uci would write.
 */

function parse(text) {
	const sections = [];
	for (const line of text.split('\n')) {
		const words = [ ...line.replace(/^\s*#.*/, '').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g) ].map(m => m[1] ?? m[2] ?? m[3]);
		const last = sections.at(-1);
		if (words[0] == 'config')
			sections.push({ type: words[1], name: words[2] ?? 'cfg%s'.replace('%s', (sections.length + 1).toString(16).padStart(6, '0')), anonymous: words[2] == null, options: {} });
		else if (words[0] == 'option')
			last.options[words[1]] = words[2];
		else if (words[0] == 'list')
			last.options[words[1]] = [ ...(last.options[words[1]] ?? []), words[2] ];
	}
	return sections;
}

const quote = s => `'${String(s).replaceAll("'", "'\\''")}'`;

function print(sections) {
	return sections.map(s => `config ${s.type}${s.anonymous ? '' : ' ' + quote(s.name)}\n` + Object.entries(s.options).map(([ name, value ]) =>
		Array.isArray(value) ? value.map(v => `\tlist ${name} ${quote(v)}\n`).join('') : `\toption ${name} ${quote(value)}\n`).join('')).join('\n');
}

/* What rpcd answers to uci get. */
function values(sections) {
	const out = {};
	sections.forEach((s, index) => out[s.name] = { '.anonymous': s.anonymous, '.type': s.type, '.name': s.name, '.index': index, ...s.options });
	return out;
}

/* One staged change. */
function change(sections, method, args) {
	const at = sections.findIndex(s => s.name == args.section);
	switch (method) {
	case 'add':
		sections.push({
			type: args.type, name: args.name ?? 'cfg' + Math.random().toString(16).slice(2, 8),
			anonymous: args.name == null, options: { ...(args.values ?? {}) },
		});
		return { section: sections.at(-1).name };
	case 'set':
		if (at < 0)
			return null;
		for (const name in args.values)
			sections[at].options[name] = args.values[name];
		return {};
	case 'delete':
		if (at < 0)
			return null;
		if (args.options || args.option)
			for (const name of args.options ?? [ args.option ])
				delete sections[at].options[name];
		else
			sections.splice(at, 1);
		return {};
	case 'order':
		sections.sort((a, b) => args.sections.indexOf(a.name) - args.sections.indexOf(b.name));
		return {};
	}
	throw new Error('uci.js: ' + method);
}

module.exports = { parse, print, values, change };
