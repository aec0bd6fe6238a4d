/**
 * Public-key operations as they happen: a wrapper around the cryptography of each element, and a listener on that of host
 * code. Each operation is noted with who did it, what for, and how long its message was, so that the very same multiset
 * can be run again alone.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import * as kinds from "../../firmware/protocol/kinds.js";
import type { Cryptography } from "../../simulator/crypto.js";
import { OPERATIONS_CHANNEL, type PublicKeyOperation } from "../crypto.js";

export type OperationKind = PublicKeyOperation["kind"];

export interface Operation {
  /** For example `customerAgent`. */
  readonly who: string;
  readonly kind: OperationKind;
  /** What was signed or verified, by the kind of signed object; empty for key agreement and generation. */
  readonly purpose: string;
  /** Length of what was signed or verified. */
  readonly messageBytes: number;
}

const PURPOSES: ReadonlyMap<number, string> = new Map([
  [kinds.SIGNED_CERTIFICATE, "certificate"],
  [kinds.SIGNED_NOTE_BODY, "note body"],
  [kinds.SIGNED_TRANSFER, "note transfer"],
  [kinds.SIGNED_TICKET, "ticket"],
  [kinds.SIGNED_TICKET_TRANSFER, "ticket transfer"],
  [kinds.SIGNED_LIST, "list"],
  [kinds.SIGNED_APPROVAL, "approval"],
  [kinds.SIGNED_OUTCOME, "outcome"],
  [kinds.SIGNED_ABORTED, "aborted"],
  [kinds.SIGNED_REQUEST, "certificate request"],
  [kinds.SIGNED_TIME, "time"],
  [kinds.SIGNED_ANNEX, "annex"],
]);

/** Where the kind of a signed object stands in its Sig_structure: behind the text, the header and "tallystick". */
const KIND_AT = 28;

function purposeOf(message: Uint8Array): string {
  return PURPOSES.get(message[KIND_AT] ?? 0) ?? "other";
}

export class OperationLog {
  #operations: Operation[] = [];
  readonly #hostListener = (message: unknown) => {
    const { kind, message: signed } = message as PublicKeyOperation;
    this.note("hosts", kind, signed);
  };

  note(who: string, kind: OperationKind, message?: Uint8Array): void {
    const purpose = message === undefined ? "" : purposeOf(message);
    this.#operations.push({ who, kind, purpose, messageBytes: message?.length ?? 0 });
  }

  /** What happened since the last call. */
  take(): Operation[] {
    const taken = this.#operations;
    this.#operations = [];
    return taken;
  }

  listenToHosts(): void {
    subscribe(OPERATIONS_CHANNEL, this.#hostListener);
  }

  close(): void {
    unsubscribe(OPERATIONS_CHANNEL, this.#hostListener);
  }

  /** The cryptography of one element, noted under its name. */
  wrap(inner: Cryptography, who: string): Cryptography {
    return {
      ...inner,
      ed25519Key: (seed) => {
        this.note(who, "generate");
        return inner.ed25519Key(seed);
      },
      ed25519Sign: (key, message, signature) => {
        this.note(who, "sign", message);
        inner.ed25519Sign(key, message, signature);
      },
      ed25519Verify: (publicKey, message, signature) => {
        this.note(who, "verify", message);
        return inner.ed25519Verify(publicKey, message, signature);
      },
      x25519Public: (secret, publicKey) => {
        this.note(who, "generateAgreement");
        inner.x25519Public(secret, publicKey);
      },
      x25519Agree: (secret, publicKey, destination) => {
        this.note(who, "agree");
        return inner.x25519Agree(secret, publicKey, destination);
      },
    };
  }
}

/** Counts by element and operation, and over all elements. */
export type OperationCounts = Record<string, Record<string, number>>;

/** How often each operation happens in one of `transactions`; they are alike, so that a count is a whole number. */
export function countOperations(
  operations: readonly Operation[],
  transactions: number,
  label: (operation: Operation) => string,
): OperationCounts {
  const counts: Record<string, Record<string, number>> = {};
  for (const operation of operations) {
    for (const place of [operation.who, "total"]) {
      counts[place] ??= {};
      const name = label(operation);
      counts[place][name] = (counts[place][name] ?? 0) + 1;
    }
  }
  const { total, ...elements } = counts;
  const ordered = { ...Object.fromEntries(Object.entries(elements).sort()), total: total ?? {} };
  return Object.fromEntries(Object.entries(ordered).map(([who, row]) => [who, perTransaction(row, transactions)]));
}

function perTransaction(row: Record<string, number>, transactions: number): Record<string, number> {
  const entries = Object.entries(row).sort();
  return Object.fromEntries(entries.map(([name, count]) => [name, Math.round((count / transactions) * 100) / 100]));
}
