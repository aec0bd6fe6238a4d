/** Chips whose every command is written down, and the state in which each was before it: a place to start from. */

import { INS_FETCH, INS_GET_DATA, INS_GET_RESPONSE, INS_READ_RECORD } from "../../firmware/protocol/apdu.js";
import { newAgencies } from "../../host/agencies.js";
import { ChipFactory, type ChipParts, type ChipSort, type SimulatedChip } from "../../host/chips.js";
import { fromHex } from "../../host/codec/bytes.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { NOW } from "../support/agents.js";
import { Knowledge } from "./knowledge.js";

/** Commands that change nothing that a session depends on: from few of them a run has to start. */
const IDLE: ReadonlySet<number> = new Set([INS_FETCH, INS_GET_RESPONSE, INS_GET_DATA, INS_READ_RECORD]);
const IDLE_STARTS = 12;
const PIECE_BYTES = 4096;

/** What an owner changes the PIN to, before the PUK brings the first one back. */
export const OTHER_PIN = "5678";

/** A snapshot of an element in pieces, which it shares with the one before where nothing changed. */
export type Pieces = readonly Uint8Array[];

export interface RecordedCommand {
  readonly apdu: Uint8Array;
  readonly now_ms: number;
  /** The element before it; absent where nobody starts. */
  readonly before: Pieces | undefined;
}

export interface Recording {
  readonly name: string;
  readonly sort: ChipSort;
  readonly commands: RecordedCommand[];
  /** Before which of them power went and came. */
  readonly powered: Set<number>;
  readonly knowledge: Knowledge;
}

function inPieces(snapshot: Uint8Array, before: Pieces | undefined): Pieces {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < snapshot.length; at += PIECE_BYTES) {
    const piece = snapshot.subarray(at, at + PIECE_BYTES);
    const same = before?.[pieces.length];
    pieces.push(same !== undefined && Buffer.compare(same, piece) === 0 ? same : piece.slice());
  }
  return pieces;
}

export function whole(pieces: Pieces): Uint8Array {
  return Buffer.concat(pieces);
}

/** Chips whose every command is written down. */
export class RecordingChips extends ChipFactory {
  readonly #world: string;
  readonly #recordings: Recording[];
  readonly #knowledge: Knowledge;
  readonly #nowMs: () => number;

  constructor(world: string, parts: ChipParts, knowledge: Knowledge, recordings: Recording[]) {
    super({ ...parts, cryptography: () => knowledge.recording() });
    this.#world = world;
    this.#recordings = recordings;
    this.#knowledge = knowledge;
    this.#nowMs = () => parts.clock?.nowMs() ?? 0;
  }

  override async chip(name: string, sort: ChipSort): Promise<SimulatedChip> {
    const made = await super.chip(name, sort);
    const recording: Recording = {
      name: `${this.#world}/${name}`,
      sort,
      commands: [],
      powered: new Set(),
      knowledge: this.#knowledge,
    };
    this.#recordings.push(recording);
    this.#watch(made, recording);
    return made;
  }

  #watch({ simulated }: SimulatedChip, { commands, powered }: Recording): void {
    const transmit = simulated.transmit.bind(simulated);
    const powerOn = simulated.powerOn.bind(simulated);
    simulated.powerOn = () => {
      powered.add(commands.length);
      powerOn();
    };
    let last: Pieces | undefined;
    let idle = 0;
    simulated.transmit = (apdu) => {
      const isIdle = IDLE.has(apdu[1] ?? 0);
      if (isIdle) idle += 1;
      const starts = simulated.isOn && (!isIdle || idle <= IDLE_STARTS);
      if (starts) last = inPieces(simulated.snapshot(), last);
      commands.push({ apdu: apdu.slice(), now_ms: this.#nowMs(), before: starts ? last : undefined });
      return transmit(apdu);
    };
  }
}

export function knowledgeOf(seed: string): Knowledge {
  const knowledge = new Knowledge();
  // The worlds draw their agencies' secrets first.
  const { agents, modules } = newAgencies(new SeededRandomness(sodiumCryptography, seed), NOW);
  for (const secrets of [agents, modules]) {
    knowledge.addAuthority(fromHex(secrets.serverSeed));
    knowledge.addAuthority(fromHex(secrets.rootSeed));
  }
  // The card network's.
  knowledge.addAuthority(new Uint8Array(32).fill(0x77));
  return knowledge;
}
