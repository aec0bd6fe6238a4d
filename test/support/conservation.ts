/**
 * What must always hold (docs/PROTOCOLS.md, section 1), read off the modules after every envelope that one of them took.
 *
 *     issued - redeemed = spendable + offered + in doubt
 *
 * A transfer counts once: at the payer until the payer's commit is stored, from then at the payee. So what a payee has in
 * doubt counts when its payer's record says committed, and not when the payer holds it still.
 */

import { INS_ENVELOPE, TAG_BALANCE, TAG_ISSUED, TAG_PENDING } from "../../firmware/protocol/apdu.js";
import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { toHex } from "../../host/codec/bytes.js";
import { type Pending, readBalances, readIssued, readPending } from "../../host/element-data.js";
import { TlvReader } from "../../host/tlv.js";
import type { ModuleDevice } from "./modules.js";

const SW_OK = 0x9000;

/** Value was made, lost or counted twice. */
export class ConservationError extends Error {
  override readonly name = "ConservationError";
}

/** What a module says that it has. */
export interface Holding {
  readonly spendable: bigint;
  readonly offered: bigint;
  readonly pending: readonly Pending[];
  readonly issued: bigint;
}

export class Conservation {
  /** Envelopes after which the sum was taken: a test that demands some cannot pass by looking nowhere. */
  checks = 0;
  /** What was taken out of circulation. */
  redeemed = 0n;
  /** What is being taken out of circulation: from one of the next steps on it is. */
  redeeming = 0n;
  /** The first violation; later steps only repeat it. */
  violation: ConservationError | undefined;
  readonly #modules: readonly ModuleDevice[];

  constructor(modules: readonly ModuleDevice[]) {
    this.#modules = modules;
    for (const module of modules) this.#watch(module);
  }

  /** Forgets what was seen; the modules were put back to another state. */
  reset(): void {
    this.checks = 0;
    this.redeemed = 0n;
    this.redeeming = 0n;
    this.violation = undefined;
  }

  /** Throws what was found at any step so far, or is found now. */
  verify(): void {
    this.#step();
    if (this.violation !== undefined) throw this.violation;
  }

  #watch(module: ModuleDevice): void {
    const { simulated } = module;
    const transmit = simulated.transmit.bind(simulated);
    simulated.transmit = (apdu) => {
      const response = transmit(apdu);
      if (apdu[1] === INS_ENVELOPE) this.#step();
      return response;
    };
  }

  #step(): void {
    const holdings = this.#holdings();
    if (holdings === undefined || this.violation !== undefined) return;
    this.checks += 1;
    let said = sumError(holdings, this.redeemed);
    if (said !== undefined && this.redeeming > 0n && sumError(holdings, this.redeemed + this.redeeming) === undefined) {
      this.redeemed += this.redeeming;
      this.redeeming = 0n;
      said = undefined;
    }
    if (said !== undefined) this.violation = new ConservationError(said);
  }

  /** Undefined while a module is off or locked: it is counted when it can be asked again. */
  #holdings(): Map<string, Holding> | undefined {
    const holdings = new Map<string, Holding>();
    for (const module of this.#modules) {
      const holding = holdingOf(module);
      if (holding === undefined) return undefined;
      holdings.set(module.element.idHex, holding);
    }
    return holdings;
  }
}

/** GET DATA without a promise, so that nothing else happens between a step and its check. */
function ask(transmit: (apdu: Uint8Array) => Uint8Array, tag: number): Uint8Array | undefined {
  const response = transmit(Uint8Array.of(0, 0xca, tag >> 8, tag & 0xff, 0, 0, 0));
  const end = response.length - 2;
  if (((response[end] ?? 0) << 8) + (response[end + 1] ?? 0) !== SW_OK) return undefined;
  return new TlvReader(response.subarray(0, end)).bytes(tag);
}

/** Undefined while the module is locked. */
export function readHolding(transmit: (apdu: Uint8Array) => Uint8Array, isGenerator: boolean): Holding | undefined {
  const balance = ask(transmit, TAG_BALANCE);
  const pending = ask(transmit, TAG_PENDING);
  if (balance === undefined || pending === undefined) return undefined;
  const issued = isGenerator ? ask(transmit, TAG_ISSUED) : undefined;
  const lines = readBalances(balance);
  return {
    spendable: lines.reduce((sum, line) => sum + line.spendable, 0n),
    // A generator's offer is of notes that are issued when it commits.
    offered: isGenerator ? 0n : lines.reduce((sum, line) => sum + line.offered, 0n),
    pending: readPending(pending),
    issued: issued === undefined ? 0n : readIssued(issued).reduce((sum, money) => sum + money.amount, 0n),
  };
}

function holdingOf({ simulated, element }: ModuleDevice): Holding | undefined {
  if (!simulated.isOn) return undefined;
  return readHolding((apdu) => simulated.transmit(apdu), element.known.role === ROLE_GENERATOR);
}

/** What is wrong with the sum over all modules, by subject id, if anything. */
export function sumError(holdings: ReadonlyMap<string, Holding>, redeemed: bigint): string | undefined {
  let issued = 0n;
  let held = 0n;
  for (const [id, holding] of holdings) {
    issued += holding.issued;
    held += holding.spendable + holding.offered;
    for (const pending of holding.pending) {
      if (pending.state === "in doubt" && isCommitted(holdings, id, pending)) held += pending.money.amount;
    }
  }
  if (issued - redeemed === held) return undefined;
  return `issued ${issued} - redeemed ${redeemed} is not held ${held}: ${describe(holdings)}`;
}

function isCommitted(holdings: ReadonlyMap<string, Holding>, payee: string, doubt: Pending): boolean {
  const payId = toHex(doubt.payId);
  const payer = holdings.get(toHex(doubt.peer));
  const record = payer?.pending.find((pending) => toHex(pending.payId) === payId && toHex(pending.peer) === payee);
  return record?.state === "committed";
}

function describe(holdings: ReadonlyMap<string, Holding>): string {
  const lines: string[] = [];
  for (const [id, { spendable, offered, pending, issued }] of holdings) {
    const open = pending.map((entry) => `${entry.state} ${entry.money.amount} ${toHex(entry.payId).slice(0, 6)}`);
    lines.push(`${id.slice(0, 6)} issued ${issued} spendable ${spendable} offered ${offered} [${open.join(", ")}]`);
  }
  return lines.join("; ");
}
