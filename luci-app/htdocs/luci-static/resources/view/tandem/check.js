'use strict';
'require view';
'require dom';
'require ui';
'require tandem.daemon as daemon';
'require tandem.words as words';

const every = 1000; /* milliseconds between two looks at the progress */

/*
 * What check prints: one JSON object a line while it works, or one at the end.
 * Lines that are not JSON are shown as they are.
 */
function parse(output) {
	try {
		return [ JSON.parse(output) ];
	}
	catch (e) { /* not one object: line by line */ }

	return output.split('\n').filter(l => l.trim()).map(l => {
		try { return JSON.parse(l); }
		catch (e) { return { text: l }; }
	});
}

/* Secrets do not leave the router; what could name one is removed all the same. */
function clean(text) {
	return text.replace(/tandem:\/\/\S+/g, 'tandem://…').replace(/\b[0-9a-f]{32,}\b/gi, '…');
}

return view.extend({
	load() {
		return daemon.ask('progress');
	},

	render(first) {
		const may = L.hasViewPermission();
		this.button = E('button', {
			'class': 'btn cbi-button cbi-button-apply', disabled: may ? null : true,
			click: ui.createHandlerFn(this, 'start'),
		}, [ _('Check the lines') ]);
		this.said = E('div', { role: 'status' });
		this.result = E('div');
		this.report = E('textarea', { 'class': 't-report', rows: 12, readonly: true, 'aria-label': _('Report') });
		this.reportBox = E('div', { 'class': 'cbi-section t-hidden' }, [
			E('h3', {}, [ _('Report') ]),
			E('p', {}, [ _('For whoever helps you. Keys are not in it.') ]),
			this.report,
			E('p', {}, E('button', { 'class': 'btn cbi-button', click: () => this.copy() }, [ _('Copy') ])),
		]);

		const page = E('div', { 'class': 'tandem' }, [
			E('link', { rel: 'stylesheet', href: L.resource('tandem/tandem.css') }),
			E('h2', {}, [ _('Tandem: check') ]),
			E('p', {}, [ _('Tries each line against the concentrator: is it reachable, does the operator let MPTCP through, and what will Tandem make of it.') ]),
			E('div', { 'class': 'cbi-section' }, [ E('p', {}, this.button), this.said, this.result ]),
			this.reportBox,
		]);

		if (first.data?.output)
			this.show(first.data);
		if (first.data?.running)
			this.follow();
		return page;
	},

	start() {
		this.say('');
		return daemon.ask('check').then(answer => {
			if (answer.fault)
				return this.say(daemon.sentence(answer.fault), 'warning');
			dom.content(this.result, null);
			return this.follow();
		});
	},

	/* follow looks until the check has ended; a hidden tab waits. */
	follow() {
		this.button.disabled = true;
		return new Promise(resolve => {
			const look = () => document.hidden ? window.setTimeout(look, every) : daemon.ask('progress').then(answer => {
				if (answer.fault)
					this.say(daemon.sentence(answer.fault), 'warning');
				else
					this.show(answer.data);
				if (answer.data && !answer.data.running) {
					this.button.disabled = !L.hasViewPermission();
					return resolve();
				}
				window.setTimeout(look, every);
			});
			look();
		});
	},

	say(text, kind) {
		dom.content(this.said, text ? E('div', { 'class': kind ? 'alert-message %s'.format(kind) : 'spinning' }, E('p', {}, [ text ])) : '');
	},

	show(progress) {
		const parts = parse(progress.output);
		this.say(progress.running ? _('Checking…') : '');
		dom.content(this.result, this.draw(parts));

		const done = !progress.running && progress.output;
		this.reportBox.classList.toggle('t-hidden', !done);
		if (done)
			this.report.value = clean(progress.output);
	},

	draw(parts) {
		const nodes = [];
		for (const part of parts) {
			if (part?.error)
				nodes.push(E('div', { 'class': 'alert-message warning' }, E('p', {}, [ String(part.error).slice(0, 1000) ])));
			else if (Array.isArray(part?.wans))
				part.wans.forEach((w, i) => nodes.push(this.line(w ?? {}, i)));
			else if (part?.step)
				nodes.push(E('p', { 'class': 't-small' }, [ String(part.step).slice(0, 400) ]));
			else if (part?.text)
				nodes.push(E('pre', {}, [ String(part.text).slice(0, 4000) ]));
		}
		return nodes;
	},

	line(w, i) {
		const findings = Array.isArray(w.findings) ? w.findings : [];
		return E('div', { 'class': 't-line t-%d'.format(i % 8), style: 'margin-bottom:.6em' }, [
			E('div', { 'class': 't-row' }, [
				E('strong', {}, [ String(w.name ?? '') ]),
				E('span', { 'class': w.ok ? 't-good' : 't-bad' }, [ '%s %s'.format(w.ok ? '✓' : '✕', w.verdict ?? '') ]),
			]),
			E('ul', {}, findings.map(f => E('li', {}, [ String(f?.text ?? f) ]))),
		]);
	},

	copy() {
		this.report.select();
		/* navigator.clipboard is kept from pages on http */
		const done = document.execCommand('copy');
		ui.addNotification(null, E('p', {}, [ done ? _('Copied.') : _('Copy the marked text by hand.') ]), 'info');
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
