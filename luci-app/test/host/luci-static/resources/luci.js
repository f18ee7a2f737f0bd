'use strict';

/*
 * A stand-in for LuCI's client side, written from its documentation: just the
 * calls that Tandem's pages make, and an error for any other. It is no copy of
 * LuCI and no substitute for it: the same tests run on LuCI itself when
 * LUCI_SRC names a checkout. What is odd here is odd there: a child given to
 * E() as a bare string is markup, one in a list is text.
 */

/* strict makes the use of what is not there an error. */
function strict(name, object, settable) {
	return new Proxy(object, {
		get(target, key) {
			if (key in target || typeof(key) == 'symbol' || [ 'then', 'toJSON' ].includes(key))
				return target[key];
			throw new TypeError(`${name}.${String(key)} is not known`);
		},
		set(target, key, value) {
			if (settable && !settable.includes(key) && !(key in target))
				throw new TypeError(`${name}.${String(key)} cannot be set`);
			target[key] = value;
			return true;
		},
	});
}

String.prototype.format = function(...args) {
	let n = 0;
	return this.replace(/%(?:(%)|(?:\.(\d+))?([sdf]))/g, (all, percent, digits, kind) => {
		if (percent)
			return '%';
		if (n >= args.length)
			throw new TypeError(`format: too few values for ${JSON.stringify(String(this))}`);
		const value = args[n++];
		return kind == 's' ? String(value ?? '') : kind == 'd' ? String(Math.floor(+value || 0)) : (+value).toFixed(digits ?? 6);
	});
};

window._ = text => window.TR?.[text] ?? text;

function append(node, children) {
	if (Array.isArray(children))
		children.forEach(c => node.appendChild(c instanceof Node ? c : document.createTextNode(String(c))));
	else if (children instanceof Node)
		node.appendChild(children);
	else if (children != null)
		node.innerHTML = String(children);
	return node;
}

window.E = function(tag, attributes, children) {
	if (Array.isArray(tag))
		return append(document.createDocumentFragment(), tag);
	if (arguments.length == 2 && (Array.isArray(attributes) || attributes instanceof Node || typeof(attributes) == 'string'))
		[ attributes, children ] = [ {}, attributes ];
	const node = document.createElement(tag);
	for (const key in attributes ?? {}) {
		const value = attributes[key];
		if (typeof(value) == 'function')
			node.addEventListener(key, value);
		else if (value != null)
			node.setAttribute(key, value === true ? '' : value);
	}
	return append(node, children);
};

class Base {
	constructor(...args) { this.__init__?.(...args); }
	static extend(properties) {
		const made = class extends this {};
		Object.assign(made.prototype, properties);
		return made;
	}
	super(name, args) { return Object.getPrototypeOf(Object.getPrototypeOf(this))[name].apply(this, args); }
}

const dom = { content(node, children) { node.replaceChildren(); return append(node, children); }, append };

/* ---- calls ---- */

let batch = null, number = 1;

/* All calls of one moment travel in one request. */
function call(object, method, args) {
	return new Promise((resolve, reject) => {
		batch ??= (setTimeout(() => {
			const sent = batch;
			batch = null;
			fetch('/cgi-bin/luci/admin/ubus', {
				method: 'POST', body: JSON.stringify(sent.map(s => s.message)), signal: AbortSignal.timeout(20000),
			})
				.then(r => r.json())
				.then(answers => sent.forEach((s, i) => s.resolve(answers[i].result)), err => sent.forEach(s => s.reject(err)));
		}), []);
		batch.push({ resolve, reject, message: { jsonrpc: '2.0', id: number++, method: 'call', params: [ L.env.sessionid, object, method, args ] } });
	});
}

const rpc = {
	declare(options) {
		const { object, method, params, expect, reject, ...rest } = options;
		if (Object.keys(rest).length)
			throw new TypeError(`rpc.declare: ${Object.keys(rest)} is not known`);
		return (...values) => {
			const args = {};
			(params ?? []).forEach((name, i) => values[i] !== undefined ? args[name] = values[i] : 0);
			return call(object, method, args).then(result => {
				if (reject && result[0] !== 0)
					throw new Error(`RPC call to ${object}/${method} failed with ubus code ${result[0]}: ?`);
				let answer = result.length > 1 ? result[1] : result[0];
				for (const key in expect ?? {}) {
					answer = key == '' ? answer : answer?.[key];
					if (Object.prototype.toString.call(answer) != Object.prototype.toString.call(expect[key]))
						answer = expect[key];
				}
				return answer;
			});
		};
	},
};

const poll = {
	queue: [], tick: 0, timer: null,
	add(fn, interval) { this.queue.push({ fn, interval, busy: false }); this.start(); return true; },
	start() {
		this.timer ??= setInterval(() => this.step(), 1000);
	},
	step() {
		for (const e of this.queue)
			if (this.tick % e.interval == 0 && !e.busy) {
				e.busy = true;
				Promise.resolve(e.fn()).finally(() => e.busy = false);
			}
		this.tick++;
	},
};

/* ---- uci ---- */

const uci = {
	values: {}, saved: {}, loaded: {},
	copy: x => JSON.parse(JSON.stringify(x)),
	load(config) {
		return this.loaded[config] ??= call('uci', 'get', { config }).then(result => {
			if (result[0] != 0)
				throw new Error(`uci get ${config}: ${result[0]}`);
			this.values[config] = result[1].values;
			this.saved[config] = this.copy(result[1].values);
			return [ config ];
		});
	},
	unload(config) { delete this.values[config]; delete this.saved[config]; delete this.loaded[config]; },
	get(config, section, option) {
		const s = this.values[config]?.[section];
		return option == null ? s ?? null : s?.[option] ?? null;
	},
	sections(config, type) {
		return Object.values(this.values[config] ?? {}).filter(s => !type || s['.type'] == type).sort((a, b) => a['.index'] - b['.index']);
	},
	add(config, type, name) {
		const id = name ?? `new${number++}`;
		this.values[config][id] = { '.type': type, '.name': id, '.anonymous': name == null, '.index': 1000 + number++, '.create': name ?? true };
		return id;
	},
	set(config, section, option, value) {
		const s = this.values[config][section];
		if (!s)
			return;
		if (value == null || value === '')
			delete s[option];
		else
			s[option] = value;
	},
	unset(config, section, option) { this.set(config, section, option, null); },
	remove(config, section) { delete this.values[config][section]; },
	move(config, section, before) {
		const order = this.sections(config, this.get(config, section)['.type']).map(s => s['.name']).filter(n => n != section);
		order.splice(before ? order.indexOf(before) : order.length, 0, section);
		const places = order.map(n => this.values[config][n]['.index']).sort((a, b) => a - b);
		order.forEach((n, i) => this.values[config][n]['.index'] = places[i]);
		this.moved = true;
	},
	async save() {
		for (const config in this.values) {
			const now = this.values[config], before = this.saved[config];
			const own = s => Object.fromEntries(Object.entries(s).filter(([ k ]) => k[0] != '.'));
			const send = (method, args) => call('uci', method, { config, ...args }).then(r => {
				if (r[0] != 0)
					throw new Error(`uci ${method}: ${r[0]}`);
			});
			for (const id in before)
				if (!now[id])
					await send('delete', { section: id });
			for (const id in now) {
				if (!before[id]) {
					await send('add', { type: now[id]['.type'], name: now[id]['.anonymous'] ? undefined : id, values: own(now[id]) });
					continue;
				}
				const values = {}, gone = [];
				for (const [ k, v ] of Object.entries(own(now[id])))
					if (JSON.stringify(before[id][k]) != JSON.stringify(v))
						values[k] = v;
				for (const k in own(before[id]))
					if (!(k in now[id]))
						gone.push(k);
				if (Object.keys(values).length)
					await send('set', { section: id, values });
				if (gone.length)
					await send('delete', { section: id, options: gone });
			}
			if (this.moved)
				await send('order', { sections: this.sections(config).filter(s => !s['.create'] || !s['.anonymous']).map(s => s['.name']) });
			this.unload(config);
			await this.load(config);
		}
		this.moved = false;
	},
	changes() { return call('uci', 'changes', {}).then(r => r[1]?.changes ?? {}); },
};

/* ---- pages ---- */

const ui = {
	addNotification(title, children, ...classes) {
		const node = E('div', { 'class': `alert-message ${classes.join(' ')}` });
		if (title != null)
			append(node, E('h4', {}, title));
		append(node, children);
		append(node, E('button', { 'class': 'btn', click: () => node.remove() }, [ _('Dismiss') ]));
		document.querySelector('#maincontent').prepend(node);
		return node;
	},
	createHandlerFn(self, fn, ...args) {
		return ev => {
			const button = ev.currentTarget;
			button.disabled = true;
			return Promise.resolve((typeof(fn) == 'string' ? self[fn] : fn).call(self, ...args, ev)).finally(() => button.disabled = button.hasAttribute('data-keep'));
		};
	},
	showModal(title, children) {
		this.hideModal();
		document.body.append(E('div', { id: 'modal_overlay' }, [ append(E('div', { 'class': 'modal', role: 'dialog', 'aria-modal': 'true' }, [ E('h4', {}, [ title ]) ]), E('div', {}, children)) ]));
	},
	hideModal() { document.querySelector('#modal_overlay')?.remove(); },
	changes: {
		apply(checked) {
			return fetch(`/cgi-bin/luci/admin/uci/apply_${checked ? 'rollback' : 'unchecked'}`, { method: 'POST' });
		},
	},
	instantiateView: name => L.require('view.' + name.replace(/\//g, '.')),
};

const View = Base.extend({
	__init__() {
		const at = document.querySelector('#view');
		Promise.resolve(this.load()).then(data => this.render(data)).then(nodes => {
			dom.content(at, nodes);
			append(at, this.footer());
		}).catch(err => { dom.content(at, [ String(err) ]); throw err; });
	},
	load() {}, render() {},
	footer() {
		const nodes = [], readonly = !L.hasViewPermission();
		const button = (name, title, kind) => this[name] ? nodes.push(E('button', {
			'class': `btn cbi-button cbi-button-${kind}`, disabled: readonly || null, 'data-keep': readonly || null, click: ui.createHandlerFn(this, name),
		}, [ title ])) : 0;
		button('handleSaveApply', _('Save & Apply'), 'apply');
		button('handleSave', _('Save'), 'save');
		button('handleReset', _('Reset'), 'reset');
		return nodes.length ? E('div', { 'class': 'cbi-page-actions' }, nodes) : document.createDocumentFragment();
	},
	handleSave() { return maps.at(-1).save(); },
	handleSaveApply(ev) { return this.handleSave(ev).then(() => ui.changes.apply(true)); },
	handleReset() { return maps.at(-1).reset(); },
});

/* ---- forms ---- */

const maps = [];

class Option extends Base {
	static settable = [ 'default', 'rmempty', 'optional', 'placeholder', 'validate', 'cfgvalue', 'write', 'remove', 'renderWidget',
		'rows', 'wrap', 'readonly', 'description', 'modalonly', 'editable', 'textvalue' ];

	constructor(section, name, title, description) {
		super();
		Object.assign(this, { section, map: section.map, option: name, title, description, keys: [], texts: [], elements: {}, default: undefined,
			rmempty: true, optional: false, placeholder: '', readonly: false, rows: 2, modalonly: null, editable: false });
	}
	cbid(id) { return `cbid.${this.map.config}.${id}.${this.option}`; }
	cfgvalue(id) { return uci.get(this.map.config, id, this.option); }
	write(id, value) { uci.set(this.map.config, id, this.option, value); }
	remove(id) { uci.unset(this.map.config, id, this.option); }
	validate() { return true; }
	value(key, text) { this.keys.push(key); this.texts.push(text ?? key); }
	getUIElement(id) { return { setValue: v => this.put(id, v) }; }
	field(id) { return this.elements[id]; }
	put(id, v) { this.field(id).value = v; }
	formvalue(id) { return this.field(id)?.isConnected ? this.field(id).value : null; }
	initial(id) { return this.cfgvalue(id) ?? this.default; }
	widget(id, value) { return E('input', { type: 'text', value: value ?? '', placeholder: this.placeholder, 'class': 'cbi-input-text' }); }
	renderWidget(id, index, value) {
		const node = this.widget(id, value);
		this.elements[id] = node;
		node.id = `widget.${this.cbid(id)}`;
		node.setAttribute('aria-label', this.title);
		node.disabled = this.readonly || !L.hasViewPermission();
		for (const event of [ 'keyup', 'blur', 'change' ])
			node.addEventListener(event, () => this.check(id));
		return E('div', {}, [ node ]);
	}
	/* check marks the field and returns what is wrong, or null */
	check(id) {
		const v = this.formvalue(id);
		let said = true;
		if (v == null)
			return null;
		if (v === '' && !this.optional && !this.rmempty)
			said = _('Expecting: %s').format(_('non-empty value'));
		else
			for (const one of [].concat(v.length || typeof(v) == 'string' ? v : ''))
				if (said === true)
					said = this.validate(id, one);
		const field = this.field(id);
		field.classList.toggle('cbi-input-invalid', said !== true);
		said === true ? field.removeAttribute('data-tooltip') : field.setAttribute('data-tooltip', said);
		return said === true ? null : said;
	}
	parse(id) {
		const wrong = this.check(id);
		if (wrong)
			throw new TypeError(`${_('Option "%s" contains an invalid input value.').format(this.title)} ${wrong}`);
		const v = this.formvalue(id), before = this.cfgvalue(id);
		if (v == null || this.readonly)
			return;
		if (v === '' || v.length == 0 || (this.rmempty && v === this.default)) {
			if (before != null)
				this.remove(id);
		}
		else if (JSON.stringify(v) != JSON.stringify(before))
			this.write(id, v);
	}
	cell(id) { return this.renderWidget(id, 0, this.initial(id)); }
	row(id) {
		return E('div', { 'class': 'cbi-value', id: `cbi-${this.map.config}-${id}-${this.option}`, 'data-name': this.option }, [
			E('label', { 'class': 'cbi-value-title', for: `widget.${this.cbid(id)}` }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [ this.cell(id), E('div', { 'class': 'cbi-value-description' }, this.description ?? '') ]),
		]);
	}
}

const form = {
	Value: class extends Option {},
	TextValue: class extends Option {
		widget(id, value) { return append(E('textarea', { rows: this.rows, placeholder: this.placeholder, 'class': 'cbi-input-textarea' }), [ value ?? '' ]); }
	},
	Flag: class extends Option {
		widget(id, value) { return E('input', { type: 'checkbox', checked: value == '1' || value == 'yes' || value == 'on' || null }); }
		formvalue(id) { return this.field(id)?.isConnected ? (this.field(id).checked ? '1' : '0') : null; }
		initial(id) { return super.initial(id) ?? '0'; }
		parse(id) { this.default ??= '0'; super.parse(id); }
	},
	ListValue: class extends Option {
		widget(id, value) {
			return E('select', { 'class': 'cbi-input-select' }, [
				...(this.optional && !this.keys.includes('') ? [ E('option', { value: '' }, [ '-' ]) ] : []),
				...this.keys.map((k, i) => E('option', { value: k, selected: (k == (value ?? '')) || null }, [ this.texts[i] ])) ]);
		}
	},
	DummyValue: class extends Option {
		widget(id, value) { return E('output', {}, [ value ?? '' ]); }
		formvalue() { return null; }
	},
	/* As in LuCI, Enter takes what is typed unless it is marked already; only then the list is looked at, with an empty value. */
	DynamicList: class extends Option {
		widget(id, value) {
			const list = E('div', { 'class': 'cbi-dynlist', role: 'group' });
			const changed = () => this.mark(list, this.validate(id, '')) ?? (input.value || this.mark(input, true));
			const add = v => {
				if (!this.items(list).includes(v))
					list.insertBefore(E('div', { 'class': 'item', tabindex: 0, keydown: ev => {
						if ([ 'Backspace', 'Delete' ].includes(ev.key)) {
							ev.currentTarget.remove();
							changed();
						}
					} }, [ E('span', {}, [ v ]) ]), list.lastChild);
			};
			const look = ev => this.mark(ev.target, this.validate(id, ev.target.value));
			const input = E('input', { type: 'text', 'class': 'cbi-input-text', 'aria-label': this.title, placeholder: this.placeholder, keyup: look, blur: look, keydown: ev => {
				if (ev.key != 'Enter' || !ev.target.value || ev.target.classList.contains('cbi-input-invalid'))
					return;
				add(ev.target.value);
				ev.target.value = '';
				changed();
			} });
			list.append(E('div', { 'class': 'add-item' }, [ input ]));
			[].concat(value ?? []).forEach(add);
			return list;
		}
		renderWidget(id, index, value) {
			const node = super.renderWidget(id, index, value), list = this.field(id);
			list.querySelector('.add-item input').id = list.id;
			list.id = this.cbid(id);
			return node;
		}
		items(list) { return [ ...list.querySelectorAll('.item span') ].map(s => s.textContent); }
		mark(node, said) {
			node.classList.toggle('cbi-input-invalid', said !== true);
			said === true ? node.removeAttribute('data-tooltip') : node.setAttribute('data-tooltip', said);
			return said === true ? null : said;
		}
		formvalue(id) {
			const list = this.field(id);
			if (!list?.isConnected)
				return null;
			const typed = list.querySelector('.add-item input');
			return [ ...new Set([ ...this.items(list), ...(typed.value.trim() && !typed.classList.contains('cbi-input-invalid') ? [ typed.value ] : []) ]) ];
		}
		check(id) {
			const list = this.field(id), typed = list.querySelector('.add-item input');
			if (!list.isConnected)
				return null;
			if (typed.classList.contains('cbi-input-invalid'))
				return typed.getAttribute('data-tooltip');
			if (!this.formvalue(id).length && !this.optional && !this.rmempty)
				return this.mark(list, _('Expecting: %s').format(_('non-empty value')));
			return this.mark(list, this.validate(id, ''));
		}
	},
};

class Section {
	static settable = [ 'anonymous', 'addremove', 'sortable', 'nodescriptions', 'modaltitle' ];
	constructor(map, type, title, description) { Object.assign(this, { map, type, title, description, options: [], anonymous: false, addremove: false, sortable: false, nodescriptions: false, modaltitle: '' }); }
	option(kind, name, title, description) {
		const o = new kind(this, name, title, description);
		const seen = strict('option', o, Option.settable);
		this.options.push(seen);
		return seen;
	}
	cfgsections() { return uci.sections(this.map.config, this.type).map(s => s['.name']); }
	formvalue(id, option) { return this.options.find(o => o.option == option)?.formvalue(id); }
	parse() { for (const id of this.cfgsections()) this.options.forEach(o => o.parse(id)); }
	head() { return [ E('h3', {}, this.title ?? ''), E('div', { 'class': 'cbi-section-descr' }, this.description ?? '') ]; }
}

form.NamedSection = class extends Section {
	constructor(map, name, type, title, description) { super(map, type, title, description); this.name = name; }
	cfgsections() { return [ this.name ]; }
	render() { return E('div', { 'class': 'cbi-section' }, [ ...this.head(), ...this.options.map(o => o.row(this.name)) ]); }
};

form.TableSection = class extends Section {
	columns() { return this.options; }
	show(o, id) { return o.cell(id); }
	actions(id) {
		const all = this.cfgsections(), at = all.indexOf(id);
		return this.sortable ? [ E('button', { 'class': 'btn up', 'aria-label': _('Up'), click: () => at > 0 && (uci.move(this.map.config, id, all[at - 1]), this.map.save(null, true)) }, [ '↑' ]) ] : [];
	}
	render() {
		return E('div', { 'class': 'cbi-section', id: `cbi-${this.map.config}-${this.type}` }, [ ...this.head(), E('table', { 'class': 'table cbi-section-table' }, [
			E('tr', { 'class': 'tr table-titles' }, [ ...(this.anonymous ? [] : [ _('Name') ]), ...this.columns().map(o => o.title), _('Order') ].map(t => E('th', { 'class': 'th' }, [ t ]))),
			...this.cfgsections().map(id => E('tr', { 'class': 'tr cbi-section-table-row', 'data-sid': id }, [
				...(this.anonymous ? [] : [ E('td', { 'class': 'td', 'data-title': _('Name') }, [ E('strong', {}, [ id ]) ]) ]),
				...this.columns().map(o => E('td', { 'class': 'td cbi-value-field', 'data-title': o.title, 'data-name': o.option }, [ this.show(o, id) ])),
				E('td', { 'class': 'td cbi-section-actions' }, this.actions(id)),
			])),
		]), ...this.create() ]);
	}
	create() { return []; }
};

form.GridSection = class extends form.TableSection {
	show(o, id) { return E('span', {}, [ [].concat(o.cfgvalue(id) ?? o.default ?? '-').join(', ') ]); }
	parse() {}
	actions(id) {
		return [ ...super.actions(id),
			E('button', { 'class': 'btn cbi-button-edit', click: () => this.edit(id) }, [ _('Edit') ]),
			...(this.addremove ? [ E('button', { 'class': 'btn cbi-button-remove', click: () => { uci.remove(this.map.config, id); return this.map.save(null, true); } }, [ _('Delete') ]) ] : []) ];
	}
	create() {
		if (!this.addremove)
			return [];
		const name = E('input', { type: 'text', 'class': 'cbi-section-create-name', 'aria-label': _('Name') });
		return [ E('div', { 'class': 'cbi-section-create' }, [ ...(this.anonymous ? [] : [ name ]), E('button', { 'class': 'btn cbi-button-add', click: () => {
			if (!this.anonymous && !/^[A-Za-z0-9_]+$/.test(name.value))
				return name.classList.add('cbi-input-invalid');
			this.edit(uci.add(this.map.config, this.type, this.anonymous ? null : name.value));
		} }, [ _('Add') ]) ]) ];
	}
	edit(id) {
		const body = E('div', {}, this.options.map(o => o.row(id)));
		ui.showModal(this.modaltitle, [ body, E('div', { 'class': 'button-row' }, [
			E('button', { 'class': 'btn', click: () => ui.hideModal() }, [ _('Dismiss') ]),
			E('button', { 'class': 'btn cbi-button-positive', click: () => {
				try { this.options.forEach(o => o.parse(id)); }
				catch (e) { return; }
				ui.hideModal();
				return this.map.save(null, true);
			} }, [ _('Save') ]) ]) ]);
	}
};

form.Map = class {
	constructor(config, title, description) { Object.assign(this, { config, title, description, sections: [] }); maps.push(this); }
	section(kind, ...args) {
		const s = new kind(this, ...args);
		this.sections.push(s);
		return strict('section', s, Section.settable);
	}
	findElement(name, value) { return this.root?.querySelector(`[${name}="${value}"]`) ?? document.querySelector(`.modal [${name}="${value}"]`); }
	async render() {
		await uci.load(this.config);
		this.root ??= E('div', { 'class': 'cbi-map', id: `cbi-${this.config}` });
		return dom.content(this.root, [ E('h2', { name: 'content' }, this.title), E('div', { 'class': 'cbi-map-descr' }, this.description ?? ''), ...this.sections.map(s => s.render()) ]);
	}
	async save(cb, silent) {
		try {
			this.sections.forEach(s => s.parse());
			await cb?.();
			await uci.save();
		}
		catch (err) {
			if (!silent)
				ui.showModal(_('Save error'), [ E('p', {}, [ err.message ]), E('button', { 'class': 'btn', click: () => ui.hideModal() }, [ _('Dismiss') ]) ]);
			throw err;
		}
		return this.render();
	}
	reset() { return this.render(); }
};

/* ---- the loader ---- */

const builtin = {
	baseclass: Base, view: View, rpc: strict('rpc', rpc), poll: strict('poll', poll), uci: strict('uci', uci, [ 'moved' ]), ui: strict('ui', ui),
	dom: strict('dom', dom), form: strict('form', form),
};

class LuCI {
	constructor(env) { this.env = env; this.classes = {}; return strict('L', this); }
	require(name) {
		return this.classes[name] ??= builtin[name] ? Promise.resolve(builtin[name]) : this.compile(name);
	}
	async compile(name) {
		const answer = await fetch(this.resource(name.replace(/\./g, '/') + '.js'));
		if (!answer.ok)
			throw new Error(`no class ${name}`);
		const text = await answer.text(), names = [], needed = [];
		for (const [ , what, , as ] of text.matchAll(/^'require ([\w.]+)( as (\w+))?';$/gm)) {
			needed.push(this.require(what));
			names.push(as ?? what);
		}
		const made = new Function(...names, `${text}\n//# sourceURL=${name}`)(...await Promise.all(needed));
		return new made();
	}
	resource(path) { return `/luci-static/resources/${path}`; }
	url(path) { return `/cgi-bin/luci/${path}`; }
	hasViewPermission() { return this.env.nodespec.readonly ? false : true; }
	resolveDefault(promise, value) { return Promise.resolve(promise).then(x => x ?? value, () => value); }
}
window.LuCI = LuCI;
