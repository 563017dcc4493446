// What node does with files, processes, threads and sockets.
import fs from "node:fs";
import path from "node:path";
import os from "node:os";
import net from "node:net";
import http from "node:http";
import child from "node:child_process";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);
if (!isMainThread) {
  parentPort.postMessage(fs.readdirSync(workerData).length > 3);
} else if (process.argv[2] === "child") {
  process.send({ got: process.argv[3], cwd: process.cwd() });
  process.on("message", (m) => { process.send({ echo: m }); process.disconnect(); });
} else {
  process.chdir("/work");
  const one = async (name, code) => {
    let result;
    try { result = await code(); } catch (e) { result = `failed ${e.code ?? e.message}`; }
    console.log(`== ${name}\n${JSON.stringify(result)}`);
  };
  await one("write, read, stat", () => { fs.writeFileSync("f", "text"); fs.appendFileSync("f", " more"); return [fs.readFileSync("f", "utf8"), fs.statSync("f").size, fs.statSync("f").mode.toString(8)]; });
  await one("links", () => { fs.symlinkSync("f", "l"); fs.linkSync("f", "h"); return [fs.readlinkSync("l"), fs.realpathSync("l"), fs.realpathSync.native("l"), fs.lstatSync("l").isSymbolicLink(), fs.statSync("h").nlink]; });
  await one("walk", async () => { let n = 0; const go = async (d) => { for (const e of await fs.promises.readdir(d, { withFileTypes: true })) { n++; if (e.isDirectory()) await go(path.join(d, e.name)); } }; await go("/usr/share/perl5"); await go("/usr/share/doc"); return n; });
  await one("errors", () => ["/nowhere", "f/x", "/root/x", ""].map((p) => { try { fs.openSync(p); return "opened"; } catch (e) { return e.code; } }));
  await one("mkdtemp, rename, rm", () => { const d = fs.mkdtempSync("t-"); fs.renameSync(d, "u"); fs.mkdirSync("u/a/b", { recursive: true }); fs.rmSync("u", { recursive: true }); return fs.existsSync("u"); });
  await one("copy and truncate", () => { fs.copyFileSync("f", "c"); fs.truncateSync("c", 2); fs.cpSync("/usr/share/perl5", "perl5", { recursive: true }); return [fs.readFileSync("c", "utf8"), fs.readdirSync("perl5").length > 1]; });
  await one("many at once", async () => (await Promise.all(Array.from({ length: 2000 }, (_, i) => fs.promises.stat(i % 2 ? "/etc/passwd" : "/nowhere/x").then(() => 1, () => 0)))).reduce((a, b) => a + b));
  await one("spawnSync", () => { const r = child.spawnSync("sh", ["-c", "cat; echo err >&2; exit 3"], { input: "in" }); return [r.status, String(r.stdout), String(r.stderr)]; });
  await one("exec and kill", async () => { const c = child.spawn("sleep", ["30"]); c.kill(); const [code, signal] = await once(c, "exit"); return [code, signal]; });
  await one("no such program", async () => { const c = child.spawn("/nowhere/x"); const [e] = await once(c, "error"); return e.code; });
  await one("50 children", async () => (await Promise.all(Array.from({ length: 50 }, (_, i) => once(child.spawn("sh", ["-c", `exit ${i}`]), "exit").then((r) => r[0])))).reduce((a, b) => a + b));
  await one("fork with a channel", async () => { const c = child.fork(self, ["child", "x"]); const [a] = await once(c, "message"); c.send("ping"); const [b] = await once(c, "message"); await once(c, "exit"); return [a, b]; });
  await one("workers", async () => (await Promise.all(Array.from({ length: 4 }, () => once(new Worker(self, { workerData: "/usr" }), "message")))).map((m) => m[0]));
  await one("unix socket server", async () => { const s = net.createServer((c) => c.end("hello")); s.listen("/work/sock"); await once(s, "listening"); const c = net.connect("/work/sock"); let t = ""; for await (const d of c) t += d; s.close(); return [t, s.address()]; });
  await one("http over tcp", async () => { const s = http.createServer((q, r) => r.end(q.url)); s.listen(0, "127.0.0.1"); await once(s, "listening"); const t = await fetch(`http://127.0.0.1:${s.address().port}/x`).then((r) => r.text()); s.close(); return t; });
  await one("watch", async () => { const w = fs.watch("/work"); const e = once(w, "change"); setTimeout(() => fs.writeFileSync("watched", "x"), 50); const [, name] = await e; w.close(); return name; });
  await one("streams", async () => { const w = fs.createWriteStream("big"); for (let i = 0; i < 200; i++) w.write("x".repeat(1000)); w.end(); await once(w, "finish"); let n = 0; for await (const d of fs.createReadStream("big")) n += d.length; return n; });
  await one("process", () => [process.execPath, process.argv0, os.homedir(), process.cwd(), os.userInfo().uid === process.getuid()]);
  await one("signal handler", async () => { const e = once(process, "SIGUSR2"); process.kill(process.pid, "SIGUSR2"); return (await e)[0]; });
  await one("stack overflow and memory", () => { const f = () => f() + 1; try { f(); } catch (e) { return [e.constructor.name, new Uint8Array(1e7).length, new WebAssembly.Memory({ initial: 10 }).buffer.byteLength]; } });
}
