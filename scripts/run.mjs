/**
 * Runs one of the TypeScript scripts beside it: `node scripts/run.mjs <name> [arguments]`.
 *
 * Node 20 does not run TypeScript, so the scripts are compiled to `build/scripts` first, when one of them is newer.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "build/scripts/.stamp");

function sources() {
  const scripts = readdirSync(join(root, "scripts"), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join("scripts", name));
  return [
    ...scripts,
    "firmware/platform/interface.ts",
    "firmware/usb/ctaphid.ts",
    "firmware/usb/descriptors.ts",
    "simulator/wasm-reader.ts",
    "tsconfig.base.json",
    "tsconfig.scripts.json",
  ];
}

function isStale() {
  if (!existsSync(stamp)) return true;
  const builtAt = statSync(stamp).mtimeMs;
  return sources().some((name) => statSync(join(root, name)).mtimeMs > builtAt);
}

const [name] = process.argv.slice(2);
if (name === undefined || !existsSync(join(root, "scripts", `${name}.ts`))) {
  console.error(`There is no script "${name}" in scripts/.`);
  process.exit(2);
}
if (isStale()) {
  const startedAt = new Date();
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [compiler, "-p", "tsconfig.scripts.json"], { cwd: root, stdio: "inherit" });
  } catch {
    process.exit(1);
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, startedAt, startedAt);
}
process.chdir(root);
process.argv.splice(1, 2, join(root, "build/scripts/scripts", `${name}.js`));
await import(pathToFileURL(process.argv[1]).href);
