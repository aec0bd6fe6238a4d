/** Everything there is to fuzz, made ready. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChipSort } from "../../host/chips.js";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { inspect } from "../../scripts/firmware/footprint.js";
import { type AppletName, packageRoot } from "../../simulator/applet-files.js";
import { RecordReader } from "../support/conservation-records.js";
import { type InstrumentedApplet, instrumentProcess } from "../support/coverage.js";
import { ElementTarget, Victim } from "./elements.js";
import type { Group } from "./engine.js";
import { firmwareParsers } from "./parsers-firmware.js";
import { hostParsers } from "./parsers-host.js";
import { record } from "./recordings.js";

/** Applets have far more states than parsers. */
const APPLET_TURNS = 6;

const SORTS: Record<AppletName, ChipSort> = { "money-module": "module", "trusted-agent": "agent", purse: "purse" };

export interface Workshop {
  readonly applets: readonly InstrumentedApplet[];
  /** Targets that run the same code are one group: the applets first. */
  readonly groups: readonly Group[];
}

function staticBytes(name: string): number {
  const { outputPath } = appletRequest(packageRoot(), name, "instrumented");
  return inspect(readFileSync(join(packageRoot(), outputPath))).footprint.memoryBytes;
}

export async function workshop(): Promise<Workshop> {
  const applets = await instrumentProcess();
  const recordings = await record();
  const twin = await RecordReader.create();
  const groups = applets.map((applet) => {
    const victim = new Victim(applet, staticBytes(applet.name));
    const own = recordings.filter((each) => each.sort === SORTS[applet.name]);
    return { targets: own.map((each) => new ElementTarget(each, victim, twin)), turns: APPLET_TURNS };
  });
  return {
    applets,
    groups: [...groups, { targets: await firmwareParsers(), turns: 1 }, { targets: hostParsers(), turns: 1 }],
  };
}
