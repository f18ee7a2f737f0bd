'use strict';

const fs = require('node:fs');
const path = require('node:path');
const os = require('node:os');
const { promisify } = require('node:util');
const { execFile, execFileSync, spawn } = require('node:child_process');

const run = promisify(execFile);
const build = path.resolve(__dirname, '../../build'), program = path.join(build, 'lab');

/*
 * The lab of docs/lab.md with a concentrator and servers in it, and a router
 * that is not paired yet. Needs root.
 */
class Lab {
	constructor() {
		this.name = `tandem-page${process.pid}`;
		this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tandem-lab-'));
		this.running = [];
	}

	async up() {
		execFileSync(program, [ 'up', '--name', this.name ], { stdio: [ 'ignore', 'ignore', 'inherit' ] });
		const state = path.join(this.dir, 'state'), config = path.join(this.dir, 'concentrator.toml');
		fs.mkdirSync(state);
		fs.writeFileSync(config, `listen = ["203.0.113.1:5124"]\ncontrol = "${this.dir}/concentrator.sock"\nstate = "${state}"\nadvertise = ["203.0.113.1"]\n`);
		this.concentrator = [ path.join(build, 'tandem-concentrator') ];
		this.spawn('core', ...this.concentrator, 'run', '--config', config);
		this.spawn('net', program, 'servers');
		while (!fs.existsSync(`${this.dir}/concentrator.sock`))
			await new Promise(done => setTimeout(done, 20));
		this.line = await this.exec('core', ...this.concentrator, 'client', '--config', config, 'add', 'house');
	}

	/* command is what runs a program on a host of the lab. */
	command(host, ...args) { return [ program, 'exec', '--name', this.name, host, '--', ...args ]; }

	/* exec resolves to what a program prints; the router of the tests goes on meanwhile. */
	async exec(host, ...args) {
		const [ file, ...rest ] = this.command(host, ...args);
		return (await run(file, rest)).stdout;
	}

	/* link changes a line while it runs. */
	link(...flags) { return run(program, [ 'link', '--name', this.name, ...flags ]); }

	spawn(host, ...args) {
		const [ file, ...rest ] = this.command(host, ...args);
		const child = spawn(file, rest, { stdio: [ 'ignore', 'ignore', 'pipe' ] });
		child.said = '';
		child.stderr.on('data', text => child.said += text);
		child.ended = new Promise(done => child.on('exit', done));
		this.running.push(child);
		return child;
	}

	/* down stops all that was started, in its order, and removes the lab. */
	async down() {
		this.ending = true;
		for (const child of this.running) {
			if (child.exitCode == null && child.signalCode == null)
				child.kill();
			await child.ended;
		}
		execFileSync(program, [ 'down', '--name', this.name ], { stdio: 'ignore' });
		fs.rmSync(this.dir, { recursive: true });
	}
}

module.exports = { Lab };
