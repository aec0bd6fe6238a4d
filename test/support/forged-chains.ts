/** Chains of certificates that must open no door, for one subject whose keys are genuine, in either tree. */

import { ROLE_CUSTOMER, ROLE_TRANSACTION, TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import * as r from "../../firmware/protocol/reasons.js";
import { Agency, type AgencySecrets, type CertificateRequest, newAgencies } from "../../host/agencies.js";
import { fromHex } from "../../host/codec/bytes.js";
import { decode, encode } from "../../host/codec/cbor.js";
import { type Certificate, encodeChain, issueCertificate, serverRole } from "../../host/codec/certificate.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer } from "../../host/crypto.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";

const HOUR = 3600;
const YEAR = 31_536_000;

/** The secrets of a world's agencies, which are made of its seed before anything else. */
export function secretsOf(seed: string, now_seconds: number): Record<"agents" | "modules", AgencySecrets> {
  return newAgencies(new SeededRandomness(sodiumCryptography, seed), now_seconds);
}

/** Who wants to get in: its genuine keys, and the certificates it may use or abuse. */
export interface Forger {
  readonly own: AgencySecrets;
  readonly other: AgencySecrets;
  readonly subject: CertificateRequest;
  readonly signer: Signer;
  readonly now: number;
}

export interface Forgery {
  readonly chain: Uint8Array;
  readonly reason: number;
}

/** Certificates by whoever the test says, with the genuine agencies' names and dates where it says nothing. */
class Issuers {
  readonly root: Signer;
  readonly server: Signer;

  constructor(readonly forger: Forger) {
    this.root = ed25519Signer(fromHex(forger.own.rootSeed));
    this.server = ed25519Signer(fromHex(forger.own.serverSeed));
  }

  device(change: Partial<Certificate> = {}, signer = this.server): Uint8Array {
    const { subject, own, now } = this.forger;
    const dates = { notBefore: now - YEAR, expiry: now + YEAR };
    return issueCertificate({ ...subject, issuer: fromHex(own.serverId), ...dates, ...change }, signer);
  }

  above(change: Partial<Certificate> = {}, signer = this.root): Uint8Array {
    const { own, now } = this.forger;
    const certificate = {
      id: fromHex(own.serverId),
      issuer: fromHex(own.rootId),
      role: serverRole(own.tree),
      notBefore: now - 2 * YEAR,
      expiry: now + 2 * YEAR,
      signatureKey: this.server.publicKey,
      agreementKey: new Uint8Array(32).fill(9),
      ...change,
    };
    return issueCertificate(certificate, signer);
  }
}

const OTHER_ID = new Uint8Array(16).fill(0xee);

/** As it should be: what the forgeries differ from in one thing. */
export function genuineChain(forger: Forger): Uint8Array {
  const make = new Issuers(forger);
  return encodeChain(make.device(), make.above());
}

export const FORGERIES: Readonly<Record<string, (forger: Forger) => Forgery>> = {
  "self-signed: its own certificate above it": (forger) => {
    const own = new Issuers(forger).device({ issuer: OTHER_ID }, forger.signer);
    return { chain: encodeChain(own, own), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "a security server of its own, in the name of the genuine root": (forger) => {
    const make = new Issuers(forger);
    const above = make.above({ signatureKey: forger.signer.publicKey }, forger.signer);
    return { chain: encodeChain(make.device({}, forger.signer), above), reason: r.REASON_BAD_SIGNATURE };
  },
  "a certificate in the name of the genuine security server": (forger) => {
    const make = new Issuers(forger);
    return { chain: encodeChain(make.device({}, forger.signer), make.above()), reason: r.REASON_BAD_SIGNATURE };
  },
  "a root of its own": (forger) => {
    const make = new Issuers(forger);
    const above = make.above({ issuer: OTHER_ID, signatureKey: forger.signer.publicKey }, forger.signer);
    return { chain: encodeChain(make.device({}, forger.signer), above), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "its role changed after it was signed": (forger) => {
    const make = new Issuers(forger);
    const [head, open, claims, signature] = decode(make.device()) as [Uint8Array, never, Uint8Array, Uint8Array];
    const [, , changed] = decode(make.device({ role: forger.subject.role + 1 })) as [never, never, Uint8Array];
    if (claims.length !== changed.length) throw new RangeError("only the role may differ");
    const altered = encode([head, open, changed, signature]);
    return { chain: encodeChain(altered, make.above()), reason: r.REASON_BAD_SIGNATURE };
  },
  "expired itself": (forger) => {
    const make = new Issuers(forger);
    const device = make.device({ expiry: forger.now });
    return { chain: encodeChain(device, make.above()), reason: r.REASON_CERTIFICATE_EXPIRED };
  },
  "its security server's expired": (forger) => {
    const make = new Issuers(forger);
    const above = make.above({ expiry: forger.now });
    return { chain: encodeChain(make.device(), above), reason: r.REASON_CERTIFICATE_EXPIRED };
  },
  "not valid yet": (forger) => {
    const make = new Issuers(forger);
    const device = make.device({ notBefore: forger.now + HOUR });
    return { chain: encodeChain(device, make.above()), reason: r.REASON_CERTIFICATE_NOT_YET_VALID };
  },
  "its security server's not valid yet": (forger) => {
    const make = new Issuers(forger);
    const above = make.above({ notBefore: forger.now + HOUR });
    return { chain: encodeChain(make.device(), above), reason: r.REASON_CERTIFICATE_NOT_YET_VALID };
  },
  "certified by a device": (forger) => {
    const make = new Issuers(forger);
    // A genuine device, with a genuine certificate, that plays the security server.
    const above = make.device({ id: OTHER_ID, signatureKey: forger.signer.publicKey });
    const below = make.device({ issuer: OTHER_ID }, forger.signer);
    return { chain: encodeChain(below, above), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "one step too deep: a server certified by the security server": (forger) => {
    const make = new Issuers(forger);
    const { own } = forger;
    const between = { id: OTHER_ID, issuer: fromHex(own.serverId), signatureKey: forger.signer.publicKey };
    const chain = encodeChain(make.device({ issuer: OTHER_ID }, forger.signer), make.above(between, make.server));
    return { chain, reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "one step too short: certified by the root itself": (forger) => {
    const make = new Issuers(forger);
    const device = make.device({ issuer: fromHex(forger.own.rootId) }, make.root);
    return { chain: encodeChain(device, make.above()), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "the security server itself": (forger) => {
    const above = new Issuers(forger).above();
    return { chain: encodeChain(above, above), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "one certificate alone": (forger) => {
    return { chain: encode([new Issuers(forger).device()]), reason: r.REASON_MALFORMED };
  },
  "three of them": (forger) => {
    const make = new Issuers(forger);
    return { chain: encode([make.device(), make.above(), new Uint8Array(8)]), reason: r.REASON_MALFORMED };
  },
  "in the wrong order": (forger) => {
    const make = new Issuers(forger);
    return { chain: encodeChain(make.above(), make.device()), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "the role of a security server": (forger) => {
    const make = new Issuers(forger);
    const device = make.device({ role: serverRole(forger.own.tree) });
    return { chain: encodeChain(device, make.above()), reason: r.REASON_WRONG_ROLE };
  },
  "a role of the other tree": (forger) => {
    const make = new Issuers(forger);
    const role = forger.own.tree === TREE_AGENTS ? ROLE_TRANSACTION : ROLE_CUSTOMER;
    return { chain: encodeChain(make.device({ role }), make.above()), reason: r.REASON_WRONG_ROLE };
  },
  "genuine, and of the other tree": (forger) => {
    const role = forger.own.tree === TREE_AGENTS ? ROLE_TRANSACTION : ROLE_CUSTOMER;
    const chain = new Agency(forger.other).issue({ ...forger.subject, role }, forger.now);
    return { chain, reason: r.REASON_FOREIGN_CERTIFICATE };
  },
  "genuine, under a security server of the other tree": (forger) => {
    const device = new Issuers(forger).device();
    const { serverCertificate } = new Agency(forger.other);
    return { chain: encodeChain(device, serverCertificate), reason: r.REASON_FOREIGN_CERTIFICATE };
  },
};
