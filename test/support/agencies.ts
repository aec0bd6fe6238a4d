/** A little tree of agents' certificates, so that a test can say who signs what. */

import { TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import { encodeChain, issueCertificate, type Root, serverRole } from "../../host/codec/certificate.js";
import type { Signer } from "../../host/codec/signer.js";
import type { TicketSender } from "../../host/codec/ticket.js";
import { ed25519Signer } from "../../host/crypto.js";

export const NOW = 1_800_000_000;
const YEAR = 31_536_000;

export function idOf(fill: number): Uint8Array {
  return new Uint8Array(16).fill(fill);
}

export function signerOf(fill: number): Signer {
  return ed25519Signer(new Uint8Array(32).fill(fill));
}

export interface AgentParts {
  readonly fill: number;
  readonly role: number;
  readonly name?: string;
  readonly notBefore?: number;
  readonly expiry?: number;
  /** Instead of the key that `fill` gives. */
  readonly signer?: Signer;
}

/** Root and security server of the agents' tree, both from numbers. */
export class Agency {
  readonly root: Root;
  private readonly server: Uint8Array;
  private readonly serverId: Uint8Array;
  private readonly serverSigner: Signer;

  constructor(fill = 0xf0) {
    const rootSigner = signerOf(fill);
    this.root = { tree: TREE_AGENTS, id: idOf(fill), publicKey: rootSigner.publicKey };
    this.serverId = idOf(fill + 1);
    this.serverSigner = signerOf(fill + 1);
    const certificate = {
      id: this.serverId,
      issuer: this.root.id,
      role: serverRole(TREE_AGENTS),
      notBefore: NOW - YEAR,
      expiry: NOW + YEAR,
      signatureKey: this.serverSigner.publicKey,
      agreementKey: new Uint8Array(32).fill(9),
    };
    this.server = issueCertificate(certificate, rootSigner);
  }

  agent(parts: AgentParts): TicketSender {
    const signer = parts.signer ?? signerOf(parts.fill);
    const certificate = {
      id: idOf(parts.fill),
      issuer: this.serverId,
      role: parts.role,
      notBefore: parts.notBefore ?? NOW - YEAR,
      expiry: parts.expiry ?? NOW + YEAR,
      signatureKey: signer.publicKey,
      agreementKey: new Uint8Array(32).fill(9),
      ...(parts.name === undefined ? {} : { name: parts.name }),
    };
    const chain = encodeChain(issueCertificate(certificate, this.serverSigner), this.server);
    return { id: certificate.id, chain, signer };
  }
}
