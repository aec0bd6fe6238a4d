/** A card network with two banks, a merchant, agents with real certificates, and time that stands still until moved. */

import {
  ROLE_AGENT_SECURITY_SERVER,
  ROLE_CUSTOMER,
  ROLE_MERCHANT,
  ROLE_NETWORK,
  TREE_AGENTS,
} from "../../firmware/protocol/kinds.js";
import { toHex } from "../../host/codec/bytes.js";
import { encodeChain, issueCertificate, type Root } from "../../host/codec/certificate.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer, sha256 } from "../../host/crypto.js";
import {
  approvalHash,
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  REFERENCE_PAY_ID,
  signOutcome,
} from "../../host/services/approval.js";
import { AuthorizationNetwork } from "../../host/services/authorization-network.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import type { IsoMessage } from "../../host/services/iso8583/codec.js";
import {
  type AuthorizationRequest,
  adviceMessage,
  authorizationMessage,
} from "../../host/services/iso8583/messages.js";
import type { NetworkSetup, NetworkTables } from "../../host/services/network-tables.js";

export const NOW = 1_795_260_600n; // 2026-11-21 11:30:00 UTC
export const EURO = { currency: 978, exponent: 2 };
export const YEN = { currency: 392, exponent: 0 };
export const ACQUIRER = "12345";
export const CARD = "4000010000000017";
export const YEN_CARD = "5100020000000029";
export const STOLEN_CARD = "4000010000000025";
export const EXPIRED_CARD = "4000010000000033";

export class HandClock {
  time_seconds = NOW;
  now_seconds(): bigint {
    return this.time_seconds;
  }
}

function seed(name: string): Uint8Array {
  return sha256(new TextEncoder().encode(name));
}

export interface Agent {
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly chain: Uint8Array;
}

/** A tree of agents under one root, all from names. */
export class AgentTree {
  readonly root: Root;
  readonly #serverId: Uint8Array;
  readonly #server: Signer;
  readonly #serverCertificate: Uint8Array;

  constructor(name = "root") {
    const rootSigner = ed25519Signer(seed(name));
    this.root = { tree: TREE_AGENTS, id: seed(`${name} id`).slice(0, 16), publicKey: rootSigner.publicKey };
    this.#server = ed25519Signer(seed(`${name} server`));
    this.#serverId = seed(`${name} server id`).slice(0, 16);
    this.#serverCertificate = issueCertificate(
      certificate(this.#serverId, this.root.id, ROLE_AGENT_SECURITY_SERVER, this.#server),
      rootSigner,
    );
  }

  agent(name: string, role: number): Agent {
    const signer = ed25519Signer(seed(name));
    const id = seed(`${name} id`).slice(0, 16);
    const device = issueCertificate(certificate(id, this.#serverId, role, signer), this.#server);
    return { id, signer, chain: encodeChain(device, this.#serverCertificate) };
  }
}

function certificate(id: Uint8Array, issuer: Uint8Array, role: number, signer: Signer) {
  const lifetime = { notBefore: Number(NOW) - 1_000_000, expiry: Number(NOW) + 1_000 };
  return { id, issuer, role, ...lifetime, signatureKey: signer.publicKey, agreementKey: seed("agreement") };
}

export const TREE = new AgentTree();
export const MERCHANT = TREE.agent("merchant", ROLE_MERCHANT);
export const CUSTOMER = TREE.agent("customer", ROLE_CUSTOMER);
export const STRANGER = TREE.agent("stranger", ROLE_CUSTOMER);
export const NETWORK_AGENT = TREE.agent("network", ROLE_NETWORK);

export const SETUP: NetworkSetup = {
  routes: [
    { bin: "400001", bank: "alpen" },
    { bin: "510002", bank: "tokai" },
    { bin: "4", bank: "nobody" },
  ],
  accounts: [
    { bank: "alpen", number: "A-1", unit: EURO, opening: 100_000n },
    { bank: "tokai", number: "T-1", unit: YEN, opening: 500_000n },
    { bank: "alpen", number: "SHOP", unit: EURO, opening: 20_000n },
  ],
  cards: [
    card("alpen", CARD, "A-1", "2812"),
    card("tokai", YEN_CARD, "T-1", "2812", 400_000n),
    { ...card("alpen", STOLEN_CARD, "A-1", "2812"), status: "stolen" },
    card("alpen", EXPIRED_CARD, "A-1", "2610"),
  ],
  merchants: [
    {
      acquirer: ACQUIRER,
      merchant: "SHOP-1",
      settlement: { bank: "alpen", number: "SHOP" },
      agents: [toHex(MERCHANT.id)],
    },
  ],
  rates: [{ accountCurrency: 392, currency: 978, numerator: 16_333n, decimals: 4 }],
};

function card(bank: string, number: string, account: string, expiry: string, dailyLimit = 50_000n) {
  return { bank, number, account, expiry, holder: "A. HOLDER", status: "active" as const, dailyLimit };
}

export async function network(location: DatabaseLocation = "memory") {
  const database = openDatabase<NetworkTables>(location);
  const clock = new HandClock();
  const faults: Error[] = [];
  const service = await AuthorizationNetwork.open({
    database,
    clock,
    signer: NETWORK_AGENT.signer,
    chain: NETWORK_AGENT.chain,
    root: TREE.root,
    exponents: new Map([
      [978, 2],
      [392, 0],
    ]),
    onFault: (fault) => faults.push(fault),
  });
  await service.setUp(SETUP);
  return { database, clock, service, faults };
}

export function request(changes: Partial<AuthorizationRequest> = {}): AuthorizationRequest {
  const stan = changes.stan ?? 1;
  return {
    type: "purchase",
    cardNumber: CARD,
    expiry: "2812",
    amount: 10_000n,
    currency: 978,
    stan,
    time_seconds: NOW,
    acquirer: ACQUIRER,
    terminal: "T1",
    merchant: "SHOP-1",
    merchantName: "The Corner Shop, Lausanne",
    receiptHash: seed(`receipt ${stan}`),
    merchantAgent: MERCHANT.id,
    customerAgent: CUSTOMER.id,
    settlement: { bank: "alpen", number: "SHOP" },
    ...changes,
  };
}

export function authorization(changes: Partial<AuthorizationRequest> = {}): IsoMessage {
  return authorizationMessage(request(changes));
}

/** An agent's word on an approval. */
export function outcomeOf(approval: Uint8Array, committed: boolean, agent: Agent = MERCHANT): Uint8Array {
  const outcome = {
    approvalHash: approvalHash(approval),
    reference: seed("pay-id"),
    referenceKind: REFERENCE_PAY_ID,
    outcome: committed ? OUTCOME_COMMITTED : OUTCOME_ABORTED,
  };
  return signOutcome(outcome, agent.signer, agent.chain);
}

export function advice(type: "0220" | "0400" | "0420", outcome: Uint8Array, stan = 500): IsoMessage {
  return adviceMessage({ type, stan, time_seconds: NOW, acquirer: ACQUIRER, outcome });
}
