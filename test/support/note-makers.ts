/** A little tree of modules' certificates, so that a test can make notes, good ones and others. */

import { ROLE_GENERATOR, ROLE_TRANSACTION, TREE_MODULES } from "../../firmware/protocol/kinds.js";
import { issueCertificate, type Root, serverRole } from "../../host/codec/certificate.js";
import type { NoteDraft, NoteSigner, TransferDraft } from "../../host/codec/note.js";
import type { Signer } from "../../host/codec/signer.js";
import { idOf, NOW, signerOf } from "./agencies.js";

const DAY = 86_400;
const YEAR = 365 * DAY;

export interface ModuleParts {
  readonly fill: number;
  readonly role?: number;
  readonly notBefore?: number;
  readonly expiry?: number;
  /** Instead of the key that `fill` gives. */
  readonly signer?: Signer;
}

/** A security server of the modules' tree, with a root that others may share. */
export class ModuleAgency {
  readonly root: Root;
  readonly server: Uint8Array;
  readonly serverId: Uint8Array;
  readonly signer: Signer;

  constructor(rootFill = 0xe0, serverFill = 0xe1, notBefore = NOW - YEAR, expiry = NOW + YEAR) {
    const rootSigner = signerOf(rootFill);
    this.root = { tree: TREE_MODULES, id: idOf(rootFill), publicKey: rootSigner.publicKey };
    this.serverId = idOf(serverFill);
    this.signer = signerOf((rootFill + serverFill) & 0xff);
    const role = serverRole(TREE_MODULES);
    const keys = { signatureKey: this.signer.publicKey, agreementKey: new Uint8Array(32).fill(9) };
    const certificate = { id: this.serverId, issuer: this.root.id, role, notBefore, expiry, ...keys };
    this.server = issueCertificate(certificate, rootSigner);
  }

  module(parts: ModuleParts): NoteSigner {
    const signer = parts.signer ?? signerOf(parts.fill);
    const certificate = {
      id: idOf(parts.fill),
      issuer: this.serverId,
      role: parts.role ?? ROLE_TRANSACTION,
      notBefore: parts.notBefore ?? NOW - YEAR,
      expiry: parts.expiry ?? NOW + YEAR,
      signatureKey: signer.publicKey,
      agreementKey: new Uint8Array(32).fill(9),
    };
    return { id: certificate.id, certificate: issueCertificate(certificate, this.signer), server: this.server, signer };
  }

  generator(fill: number): NoteSigner {
    return this.module({ fill, role: ROLE_GENERATOR });
  }
}

/** What a bank states in a note of 100.00 euro that expires in thirty days. */
export const DRAFT: NoteDraft = {
  id: idOf(0xa0),
  issuer: idOf(0xb0),
  unit: { currency: 978, exponent: 2 },
  value: 10_000n,
  issued: NOW - 10 * DAY,
  expiry: NOW + 30 * DAY,
  finalRedemption: NOW + 60 * DAY,
};

export function keyOf(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}

/** Transfers along a row of modules, a hundredth less each time; the last of the row only receives. */
export function transfersAlong(row: readonly NoteSigner[], value = DRAFT.value): TransferDraft[] {
  return row.slice(1).map((to, i) => ({
    by: row[i] as NoteSigner,
    to: to.id,
    counter: BigInt(100 + i),
    amount: value - BigInt(i),
    date: NOW - 9 * DAY + i,
    key: keyOf(i + 1),
  }));
}
