/**
 * Four hosts on one machine, as network namespaces with links of 1 Gbit/s (tc tbf) and a delay (delayedSwitch.c, since few kernels here have tc's netem): a rank on each, by both
 * MPI libraries. One host is cut off in the middle of a run, without a word; within a minute the job has to be over, with rank, host and reason said and no process left, and the
 * same command has to go on to the bytes of a run that was left alone. Outside of CI: needs Linux, root, iproute2, gcc, and dist/ as it is built.
 *
 *   node test/mpi/hosts.mjs [openmpi|mpich|both] [microseconds of delay each way]
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ranksEnv } from './mpirun.mjs';

const [which = 'both', delay = '200'] = process.argv.slice(2);
const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-hosts-'));
const at = (...parts) => join(scratch, ...parts);
const HOSTS = 4;
const CUT = 3;
const STEPS = 90;
const LIMIT_S = 60;
/** Of a run that is left alone. */
const WHOLE_LIMIT_S = 240;
const hosts = Array.from({ length: HOSTS }, (_, i) => i + 1);
const namespace = (host) => `vernier${host}`;
const address = (host) => `10.77.0.${host}`;
const ip = (...words) => execFileSync('ip', words.map(String), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const sh = (...words) => execFileSync(words[0], words.slice(1).map(String), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

async function connect() {
  sh('gcc', '-O2', join(root, 'test/mpi/delayedSwitch.c'), '-o', at('switch'));
  const middle = spawn(at('switch'), [HOSTS, delay, CUT].map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    middle.stdout.once('data', resolve);
    middle.once('close', () => reject(new Error('the switch has ended')));
  });
  for (const host of hosts) {
    const name = namespace(host);
    ip('netns', 'add', name);
    ip('link', 'set', `tap${host}`, 'netns', name);
    ip('-n', name, 'link', 'set', `tap${host}`, 'name', 'eth0', 'address', `02:00:00:00:00:0${host}`);
    ip('-n', name, 'addr', 'add', `${address(host)}/24`, 'dev', 'eth0');
    for (const link of ['lo', 'eth0']) ip('-n', name, 'link', 'set', link, 'up');
    sh('tc', '-n', name, 'qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', 'rate', '1gbit', 'burst', '256kb', 'latency', '50ms');
  }
  // In the place of ssh: `agent ADDRESS COMMAND…`, with a host name of its own.
  writeFileSync(at('agent'), `#!/bin/sh\nhost=\${1##*.}; shift\nexec nsenter --net=/run/netns/vernier$host unshare --uts sh -c 'hostname ward-'$host'; exec sh -c "$*"' sh "$@"\n`);
  chmodSync(at('agent'), 0o755);
  return middle;
}

/** Processes of all hosts, but for zombies. */
const processes = () =>
  hosts.flatMap((host) => ip('netns', 'pids', namespace(host)).split('\n').filter(Boolean)).filter((pid) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  });
const wordsOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 100);
  } catch {
    return '';
  }
};

function disconnect(middle) {
  for (const pid of processes()) process.kill(Number(pid), 'SIGKILL');
  middle?.kill('SIGKILL');
  for (const host of hosts) if (existsSync(`/run/netns/${namespace(host)}`)) ip('netns', 'del', namespace(host));
}

const row = (i) => JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: `About ${i}.5 mm.` }], images: [] });
writeFileSync(at('rows.jsonl'), `${Array.from({ length: 17 }, (_, i) => row(i)).join('\n')}\n`);

/** As node/mpi/README.md tells for several hosts. */
const LAUNCH = {
  openmpi: (list) => [
    'mpirun.openmpi', '--host', list, '--mca', 'plm_rsh_agent', at('agent'), '--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', 'eth0', '--mca', 'oob_tcp_if_include', 'eth0',
    '--mca', 'oob_tcp_keepalive_time', '5', '--mca', 'oob_tcp_keepalive_intvl', '5', '--mca', 'oob_tcp_keepalive_probes', '2', '-n', String(HOSTS),
  ],
  mpich: (list) => ['mpirun.mpich', '-launcher', 'rsh', '-launcher-exec', at('agent'), '-hosts', list, '-iface', 'eth0', '-ppn', '1', '-n', String(HOSTS)],
};

function start(library, dir, more = {}) {
  const flags = {
    base_model_hf: join(process.env.VERNIER_GOLDEN_DIR ?? join(root, 'test/golden/data'), 'models/qwen2_5_vl-tiny'), train_file: at('rows.jsonl'), output_dir: dir,
    max_steps: STEPS, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 0.002, lora_r: 4, save_steps: 3, save_total_limit: 3, logging_steps: 5,
    eval_strategy: 'no', report_to: 'none', dataloader_num_workers: 0, ...more,
  };
  const words = [...LAUNCH[library](hosts.map(address).join(',')), process.execPath, join(root, 'dist/train.js'), ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
  // UCX, below MPICH, would find shared memory of a machine that pretends to be four.
  const child = spawn(at('agent'), [address(1), ...words], { env: ranksEnv({ UCX_TLS: 'tcp,self' }), stdio: ['ignore', 'pipe', 'pipe'] });
  const job = { isOver: false, text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (job.text += text));
  job.ended = new Promise((resolve) => child.on('exit', (code) => ((job.isOver = true), resolve(code))));
  return job;
}

const newest = (dir) => Math.max(0, ...(existsSync(dir) ? readdirSync(dir) : []).map((name) => Number(/^checkpoint-(\d+)$/.exec(name)?.[1] ?? 0)));
const adapter = (dir) => readFileSync(join(dir, 'adapter_model.safetensors'));

function must(isTrue, what) {
  if (isTrue) return;
  console.log(`FAIL ${what}`);
  process.exitCode = 1;
}

async function until(what, seconds) {
  const end = Date.now() + seconds * 1000;
  while (!what() && Date.now() < end) await pause(100);
  return what();
}

/** Well, and at all: a job may be done and not end. */
async function hasEnded(job) {
  await until(() => job.isOver, WHOLE_LIMIT_S);
  if (!job.isOver) for (const pid of processes()) process.kill(Number(pid), 'SIGKILL');
  return (await job.ended) === 0;
}

async function cutOff(library, middle) {
  const [whole, dir] = [at(`${library}-whole`), at(`${library}-cut`)];
  const first = start(library, whole);
  must(await hasEnded(first), `${library}: ${first.text}`);
  const job = start(library, dir);
  must(await until(() => job.isOver || newest(dir) >= 6, 300), `${library}: no checkpoint\n${job.text}`);
  middle.kill('SIGUSR1');
  const began = Date.now();
  await until(() => job.isOver && processes().length === 0, LIMIT_S);
  const seconds = (Date.now() - began) / 1000;
  const left = processes().map(wordsOf);
  console.log(`${library}: host ${CUT} of ${HOSTS} cut off after step ${newest(dir)}; ${job.isOver ? 'over' : 'NOT over'} after ${seconds.toFixed(1)} s, ${left.length} processes left`);
  // What names the host: a rank (node/mpi/heartbeat.ts), or the launcher itself.
  console.log(job.text.split('\n').filter((line) => /sign of life|lost communication|Remote daemon|RUNNING AT|rank \d on ward/.test(line)).map((line) => `  ${line}`).join('\n'));
  must(job.isOver && left.length === 0, `${library}: ${job.isOver ? '' : 'the launcher waits; '}${left.join('\n')}\n${job.text}`);
  must(/rank \d on ward-\d/.test(job.text.split('ranks on 4 hosts')[1] ?? '') || /Remote daemon/.test(job.text), `${library}: neither rank nor host is named\n${job.text}`);
  for (const pid of processes()) process.kill(Number(pid), 'SIGKILL');
  await job.ended;
  middle.kill('SIGUSR2');
  const resumed = start(library, dir, { resume_from_checkpoint: true });
  must(await hasEnded(resumed), `${library}: ${resumed.text}`);
  const isSame = resumed.isOver && adapter(dir).equals(adapter(whole));
  must(isSame, `${library}: the adapter is not that of a run that was left alone`);
  console.log(`${library}: gone on from there, the adapter ${isSame ? 'has the bytes of the run that was left alone' : 'DIFFERS'}`);
}

let middle;
try {
  middle = await connect();
  for (const library of which === 'both' ? Object.keys(LAUNCH) : [which]) await cutOff(library, middle);
} finally {
  disconnect(middle);
  rmSync(scratch, { recursive: true, force: true });
}
