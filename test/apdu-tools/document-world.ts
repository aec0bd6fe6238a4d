/**
 * The cards of the examples in docs/APDU.md: a customer's agent and module with money in them, a purse with tokens, a blank chip
 * that the examples personalise, and a card with three applets. All from one seed, on a time that only the examples move: the
 * same bytes each time.
 */

import { ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { decodeResponse } from "../../host/apdu.js";
import { type Exchange, SessionRunner, type Target } from "../../host/apdu-tools/runner.js";
import type { Values } from "../../host/apdu-tools/session.js";
import { blankTarget } from "../../host/apdu-tools/simulated-cards.js";
import { fromHex } from "../../host/codec/bytes.js";
import { encode } from "../../host/codec/cbor.js";
import { AgentWorld, NOW } from "../support/agents.js";
import { orderOf, PurseWorld } from "../support/purses.js";

/** What an example stores as personalisation key. */
const PERSONALISATION_KEY = "b2f1a0c37e5d4496883f1d0a5cce7b26914e07fa3bd86c1257a9e0134f8d6b72";
/** The module that the examples make. */
const SUBJECT = "000102030405060708090a0b0c0d0e0f";

export interface DocumentWorld {
  readonly runner: SessionRunner;
  /** Of each exchange, so that what an agency answers can be computed. */
  heard(exchange: Exchange): void;
}

export async function documentWorld(seed = "docs/APDU.md"): Promise<DocumentWorld> {
  const world = new AgentWorld(seed);
  const bank = await world.authority("First Bank");
  const alice = await world.customer("alice", bank);
  await world.fund([alice, "USD 20.00"]);
  const purses = new PurseWorld(seed);
  const buyer = await purses.buyer("alice");
  await purses.purse(buyer);
  const targets: readonly Target[] = [
    { ...blankTarget("money-module", "1"), name: "blank" },
    { name: "agent", transport: alice.agent.transport, applet: "trusted-agent" },
    { name: "module", transport: alice.module.transport, applet: "money-module" },
    { name: "purse", transport: buyer.transport, applet: "purse" },
    blankTarget("card", "1"),
  ];
  for (const { transport } of targets) await transport.reset();
  const { agents, modules } = world.agencies;
  let last: Exchange | undefined;
  const answer = () => decodeResponse(last?.response ?? Uint8Array.of(0x90, 0)).data;
  const given: Readonly<Record<string, () => string | Uint8Array>> = {
    key: () => PERSONALISATION_KEY,
    roots: () => encode([agents.root.id, agents.root.publicKey, modules.root.id, modules.root.publicKey]),
    "issuer-key": () => modules.agreementKey,
    chain: () =>
      modules.certify(lastRequest ?? new Uint8Array(0), { id: fromHex(SUBJECT), role: ROLE_TRANSACTION }, NOW),
    list: () => modules.badIdList(1n, NOW, [[new Uint8Array(16).fill(0xee), 1]]),
    order: () => orderOf(5n),
  };
  let lastRequest: Uint8Array | undefined;
  const values: Values = (name) => given[name]?.();
  return {
    runner: new SessionRunner(targets, { values }),
    heard: (exchange) => {
      last = exchange;
      // GENERATE KEY PAIR: what the agency certifies.
      if (exchange.command[1] === 0x46) lastRequest = answer();
    },
  };
}
