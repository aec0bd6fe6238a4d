/** Runs `test/kill`: compiles it, with the host's library that it judges by, to `build/kill`, and starts it in this process. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const compiler = "node_modules/typescript/bin/tsc";
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.kill.json"], { stdio: "inherit" });
if (status !== 0) process.exit(1);
await import(pathToFileURL(join(process.cwd(), "build/kill/test/kill/main.js")).href);
