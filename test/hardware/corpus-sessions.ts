/**
 * Inputs of the fuzzer's corpus as sessions: the recording up to where an input begins, and then what the fuzzer sends for it. Each
 * of them reaches something of the firmware that no recording does.
 */

import { readFileSync } from "node:fs";
import { inspect } from "../../scripts/firmware/footprint.js";
import { shippedApplet, shippedAppletPath } from "../../simulator/applet-files.js";
import { readCorpus } from "../fuzz/corpus.js";
import { ElementTarget, Victim } from "../fuzz/elements.js";
import type { RecordedCommand, Recording } from "../fuzz/recording-chips.js";
import type { Input } from "../fuzz/target.js";
import { RecordReader } from "../support/conservation-records.js";
import type { Session, Step } from "./session.js";
import { APPLET_OF, prefixOf, sessionOf } from "./sessions.js";

/** A fuzzer's victim with the shipped applet, which counts nothing, and what it is told since it last became something. */
class Overheard {
  readonly victim: Victim;
  began: RecordedCommand | undefined;
  steps: Step[] = [];

  constructor({ sort }: Recording) {
    const name = APPLET_OF[sort];
    const nothing = { counts: new Uint32Array(0), ever: new Uint8Array(0), touched: [], blocks: [], budget: 0 };
    const { memoryBytes } = inspect(readFileSync(shippedAppletPath(name))).footprint;
    this.victim = new Victim({ name, applet: shippedApplet(name), ...nothing }, memoryBytes);
    this.#listen();
  }

  #listen(): void {
    const { victim } = this;
    const { element } = victim;
    const become = victim.become.bind(victim);
    const transmit = element.transmit.bind(element);
    const powerOn = element.powerOn.bind(element);
    victim.become = (command) => {
      this.began = command;
      this.steps = [];
      become(command);
    };
    element.transmit = (apdu) => {
      // One byte alone is a control of the stream, and no command.
      if (apdu.length !== 1) this.steps.push({ kind: "apdu", apdu: apdu.slice() });
      return transmit(apdu);
    };
    element.powerOn = () => {
      this.steps.push({ kind: "power" });
      powerOn();
    };
  }
}

function inputSession(recording: Recording, input: Input, overheard: Overheard, target: ElementTarget): Session {
  target.run(input, () => undefined);
  const { began } = overheard;
  const start = began === undefined ? 0 : recording.commands.indexOf(began);
  const steps = prefixOf(recording, start);
  steps.push({ kind: "clock", now_ms: recording.commands[start]?.now_ms ?? 0 });
  if (recording.powered.has(start)) steps.push({ kind: "power" });
  return sessionOf(recording, `${recording.name}, corpus`, [...steps, ...overheard.steps]);
}

/** Every so manieth input of the applets. */
export async function corpusSessions(recordings: readonly Recording[], every: number): Promise<Session[]> {
  const twin = await RecordReader.create();
  const corpus = readCorpus();
  return recordings.flatMap((recording) => {
    const overheard = new Overheard(recording);
    const target = new ElementTarget(recording, overheard.victim, twin);
    const inputs = corpus.filter(({ target: name }, at) => name === recording.name && at % every === 0);
    return inputs.map((input) => inputSession(recording, input, overheard, target));
  });
}
