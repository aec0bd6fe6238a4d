/** The applets as C: what wasm2c makes of the release binaries, and the table by which the image knows them. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type APPLETS, appletRequest } from "../firmware/applets.js";
import { compileIfStale } from "../firmware/compile.js";
import { inspect } from "../firmware/footprint.js";
import { run } from "./run.js";

export type AppletName = (typeof APPLETS)[number];

/** The last byte of each AID (firmware/protocol/apdu.ts). */
const NUMBERS: Readonly<Record<AppletName, number>> = {
  "money-module": 1,
  "trusted-agent": 2,
  purse: 3,
};
const PAGE_BYTES = 65_536;
const ALIGNMENT = 16;

export interface AppletSources {
  readonly generated: readonly string[];
  /** The table, which is written here and compiled as strictly as the project's own files. */
  readonly table: string;
}

/** As wasm2c spells the name of a module that has no other characters. */
export function identifier(applet: string): string {
  return applet.replaceAll("-", "");
}

function tableText(memoryBytes: ReadonlyMap<AppletName, number>): string {
  const applets = [...memoryBytes.keys()];
  const includes = applets.map((applet) => `#include "${applet}.h"\n`).join("");
  const codes = applets.map((applet) => `APPLET_CODE(${identifier(applet)}, ${memoryBytes.get(applet)})\n`).join("");
  const entries = applets.map(
    (applet) => `    APPLET_ENTRY(${identifier(applet)}, "${applet}", ${NUMBERS[applet]}),\n`,
  );
  return `/* Written by the build, from the applets as they are. */
#include "wasm/applet-code.h"

#include "platform/bytes.h"
#include "wasm/applets.h"

${includes}
${codes}
const struct applet_code applet_codes[] = {
${entries.join("")}};

const uint32_t applets_count = sizeof applet_codes / sizeof applet_codes[0];
`;
}

/** Compiles what is stale, and writes C to the folder. `shrunk`: linear memory ends with static data, for boards with little. */
export async function appletSources(
  root: string,
  folder: string,
  applets: readonly AppletName[],
  shrunk: boolean,
): Promise<AppletSources> {
  mkdirSync(folder, { recursive: true });
  const memoryBytes = new Map<AppletName, number>();
  const generated: string[] = [];
  for (const applet of applets) {
    const request = appletRequest(root, applet, "release");
    await compileIfStale(request);
    const binary = join(root, request.outputPath);
    const { footprint } = inspect(readFileSync(binary));
    const needed = Math.ceil(footprint.memoryBytes / ALIGNMENT) * ALIGNMENT;
    memoryBytes.set(applet, shrunk ? needed : PAGE_BYTES);
    const output = join(folder, `${applet}.c`);
    run(process.execPath, [join(root, "node_modules/wabt/bin/wasm2c"), binary, "-n", identifier(applet), "-o", output]);
    generated.push(output);
  }
  const table = join(folder, "applet-codes.c");
  writeFileSync(table, tableText(memoryBytes));
  return { generated, table };
}
