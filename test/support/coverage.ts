/**
 * The instrumented applets (scripts/firmware/instrument.ts): which blocks of their code are reached, counted here while
 * whatever asks for the shipped applets of this process is given these.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { APPLETS, appletRequest } from "../../scripts/firmware/applets.js";
import { blocksPath, compileIfStale } from "../../scripts/firmware/compile.js";
import type { CodeBlock } from "../../scripts/firmware/instrument.js";
import { Applet } from "../../simulator/applet.js";
import { type AppletName, packageRoot, replaceApplet } from "../../simulator/applet-files.js";

/** An applet ran so long that it may never have ended. */
export class EndlessApplet extends Error {
  override readonly name = "EndlessApplet";
}

export interface InstrumentedApplet {
  readonly name: AppletName;
  readonly applet: Applet;
  readonly blocks: readonly CodeBlock[];
  /** How often each block was reached since somebody set it to zero. */
  readonly counts: Uint32Array;
  /** Those that were reached since then, each once. */
  readonly touched: number[];
  /** 1 for each block that was reached at any time. */
  readonly ever: Uint8Array;
  /** Blocks that may still be reached before `EndlessApplet`. */
  budget: number;
}

/** Whether a block counts: not what the compiler brings along, and not the end of an assertion. */
export function isCounted(block: CodeBlock): boolean {
  return block.file.startsWith("firmware/") && !block.asserts;
}

/** Compiled if stale. */
async function instrumentedApplet(name: AppletName): Promise<InstrumentedApplet> {
  const root = packageRoot();
  const request = appletRequest(root, name, "instrumented");
  await compileIfStale(request);
  const path = join(root, request.outputPath);
  const blocks = JSON.parse(readFileSync(blocksPath(path), "utf8")) as CodeBlock[];
  const counts = new Uint32Array(blocks.length);
  const touched: number[] = [];
  const ever = new Uint8Array(blocks.length);
  const onBlock = (block: number) => {
    const before = counts[block] as number;
    counts[block] = before + 1;
    if (before === 0) {
      ever[block] = 1;
      touched.push(block);
    }
    made.budget -= 1;
    if (made.budget < 0) throw new EndlessApplet("the applet ran on and on");
    return 0;
  };
  const made: InstrumentedApplet = {
    name,
    applet: new Applet(readFileSync(path), onBlock),
    blocks,
    counts,
    touched,
    ever,
    budget: Number.POSITIVE_INFINITY,
  };
  return made;
}

let instrumented: Promise<InstrumentedApplet[]> | undefined;

/** From now on every chip of this process that is made of a shipped applet, or its debug build, runs an instrumented one. */
export function instrumentProcess(): Promise<InstrumentedApplet[]> {
  instrumented ??= replaceAll();
  return instrumented;
}

async function replaceAll(): Promise<InstrumentedApplet[]> {
  const all: InstrumentedApplet[] = [];
  for (const name of APPLETS) {
    const made = await instrumentedApplet(name);
    for (const target of ["release", "debug"] as const) {
      replaceApplet(join(packageRoot(), appletRequest(packageRoot(), name, target).outputPath), made.applet);
    }
    all.push(made);
  }
  return all;
}
