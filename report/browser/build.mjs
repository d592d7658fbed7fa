// Bundle what report.app puts into app.html: npm ci && node build.mjs, or make app.
//
// The result, built/, is tracked: who only makes pages needs neither node nor a network.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = import.meta.dirname;
const MODULES = join(HERE, "node_modules");
const BUILT = join(HERE, "built");
const CODECS = join(MODULES, "@cornerstonejs");
const BINARIES = {
  "ort.wasm": join(MODULES, "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"),
  "turbojpeg.wasm": join(CODECS, "codec-libjpeg-turbo-8bit/dist/libjpegturbowasm_decode.wasm"),
  "openjpeg.wasm": join(CODECS, "codec-openjpeg/dist/openjpegwasm_decode.wasm"),
  "charls.wasm": join(CODECS, "codec-charls/dist/charlswasm_decode.wasm"),
};
const NODE_ONLY = ["fs", "path", "crypto", "worker_threads", "module", "url"]; // never reached

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

async function bundled(name) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: HERE,
    entryPoints: [join(HERE, "src", `${name}.js`)],
    bundle: true,
    minify: true,
    charset: "ascii",
    format: "iife",
    target: "es2022",
    legalComments: "none", // the page shows all licences
    external: NODE_ONLY,
    define: { "import.meta.url": '"blob:app"' },
    metafile: true,
    write: false,
    logLevel: "error",
  });
  return { code: outputFiles[0].contents, inputs: Object.keys(metafile.inputs) };
}

// Names of the packages that files lie in.
function packagesOf(files) {
  const names = files.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]);
  return [...new Set(names.filter(Boolean))].sort();
}

// What the page says of a package: its version, and the texts of its licences.
function told(name) {
  const folder = join(MODULES, name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json")));
  const files = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file));
  const own = readdirSync(join(HERE, "licences"));
  const more = own.filter((file) => file.startsWith(`${name.split("/").at(-1)}.`));
  const texts = [
    ...files.map((file) => readFileSync(join(folder, file), "utf8")),
    ...more.map((file) => readFileSync(join(HERE, "licences", file), "utf8")),
  ];
  if (texts.length === 0) throw new Error(`${name}: no licence found; put one into licences/`);
  return { name, version, license, text: texts.map((text) => text.trim()).join("\n\n") };
}

function sources() {
  const own = ["build.mjs", "package.json", "package-lock.json"];
  const inside = (folder) => readdirSync(join(HERE, folder)).map((file) => `${folder}/${file}`);
  const files = [...own, ...inside("src"), ...inside("licences")].sort();
  return Object.fromEntries(files.map((file) => [file, sha256(readFileSync(join(HERE, file)))]));
}

const [worker, page] = await Promise.all(["worker", "page"].map(bundled));
const parts = {
  "page.js": page.code,
  "worker.js.gz": gzipSync(worker.code, { level: 9 }),
};
for (const [name, path] of Object.entries(BINARIES)) {
  parts[`${name}.gz`] = gzipSync(readFileSync(path), { level: 9 });
}
const packages = packagesOf([...worker.inputs, ...page.inputs]).map(told);
parts["licences.json.gz"] = gzipSync(JSON.stringify(packages), { level: 9 });

rmSync(BUILT, { recursive: true, force: true });
mkdirSync(BUILT);
const written = {};
for (const [name, content] of Object.entries(parts)) {
  writeFileSync(join(BUILT, name), content);
  written[name] = sha256(content);
}
const record = { sources: sources(), built: written };
writeFileSync(join(BUILT, "record.json"), `${JSON.stringify(record, null, 1)}\n`);
