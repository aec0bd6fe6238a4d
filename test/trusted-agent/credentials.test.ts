/** Acquire Credential and Create Credential (WO 96/41315 fig. 4B-4D), on the release firmware. */

import { beforeAll, describe, expect, it } from "vitest";
import { ROLE_CUSTOMER, ROLE_MERCHANT } from "../../firmware/protocol/kinds.js";
import {
  TICKET_AUTHORITY_CREDENTIAL,
  TICKET_CREDIT_CARD,
  TICKET_DEBIT_CARD,
  TICKET_MERCHANT_CREDENTIAL,
} from "../../firmware/protocol/messages.js";
import { REASON_DECLINED } from "../../firmware/protocol/reasons.js";
import { acquire } from "../../host/applications/acquire.js";
import { createOwnCredential, issueCredential } from "../../host/applications/authority.js";
import { toHex } from "../../host/codec/bytes.js";
import { componentFields } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { ReasonError } from "../../host/reasons.js";
import { StatusWordError } from "../../host/status-words.js";
import { type AgentDevice, AgentWorld, CARD, NOW } from "../support/agents.js";

const YEAR = 31_536_000;
const card = componentFields({ kind: "card", card: CARD });
let world: AgentWorld;
let bank: AgentDevice;
let customer: AgentDevice;
let merchant: AgentDevice;

beforeAll(async () => {
  world = new AgentWorld("credentials");
  bank = await world.authority("First Bank");
  customer = await world.device("Alice", ROLE_CUSTOMER);
  merchant = await world.device("Corner Shop", ROLE_MERCHANT);
});

const digest = async ({ device }: AgentDevice) => toHex(await device.agent.digest());
const types = async ({ device }: AgentDevice) => (await device.agent.tickets()).map(({ type }) => type);

describe("an authority", () => {
  it("has made its own credential from its certificate's name, and making it again replaces it", async () => {
    await world.time.run(createOwnCredential(bank.device));
    const tickets = await bank.device.agent.tickets();
    expect(tickets).toMatchObject([{ type: TICKET_AUTHORITY_CREDENTIAL, issuer: "First Bank" }]);
    expect(tickets[0]?.components[0]).toBe("First Bank");
  });

  it("tells its host who asks for what, and afterwards which ticket was issued", async () => {
    const [near, far] = inProcessLink();
    const issuing = issueCredential(bank.device, far, (asked) => {
      expect(asked).toMatchObject({ role: ROLE_CUSTOMER, ticketType: TICKET_DEBIT_CARD });
      expect(asked.requester).toEqual(customer.device.agent.id);
      return { expiry_seconds: NOW + YEAR, components: card };
    });
    const [, issued] = await world.time.run(Promise.all([acquire(customer.device, near, TICKET_DEBIT_CARD), issuing]));
    expect(issued).toMatchObject({ ticketType: TICKET_DEBIT_CARD, requester: customer.device.agent.id });
    expect((await bank.device.agent.log())[0]?.payId).toEqual(issued.ticketHash);
    expect(await types(customer)).toEqual([TICKET_DEBIT_CARD]);
  });

  it("whose host says no gives nothing", async () => {
    const before = await digest(customer);
    const [near, far] = inProcessLink();
    const issuing = issueCredential(bank.device, far, () => undefined);
    const results = await world.time.run(
      Promise.allSettled([acquire(customer.device, near, TICKET_DEBIT_CARD), issuing]),
    );
    const [asked, gave] = results.map((result) => (result.status === "rejected" ? result.reason : undefined));
    expect(asked).toBeInstanceOf(ReasonError);
    expect(asked).toMatchObject({ reason: REASON_DECLINED, byPeer: true });
    expect(gave).toMatchObject({ reason: REASON_DECLINED, byPeer: false });
    expect(await digest(customer)).toBe(before);
  });

  it("refuses components that are not of the type, and its host may give others", async () => {
    const [near, far] = inProcessLink();
    const serving = bank.device.converse(far, "agent", async (conversation) => {
      await conversation.prepare(command.issue());
      await conversation.expect("grant");
      const wrong = conversation.command(command.grant(NOW + YEAR, ["First Bank", NOW + YEAR]));
      await expect(wrong).rejects.toBeInstanceOf(StatusWordError);
      await conversation.command(command.grant(NOW + YEAR, card));
      return conversation.expect("issued");
    });
    await world.time.run(Promise.all([acquire(customer.device, near, TICKET_DEBIT_CARD), serving]));
  });
});

describe("a customer", () => {
  it("given the same card again holds it once; another card beside it", async () => {
    await world.grant(bank, customer, TICKET_DEBIT_CARD, card);
    expect(await types(customer)).toEqual([TICKET_DEBIT_CARD]);
    const other = componentFields({ kind: "card", card: { ...CARD, account: "5000123412349999" } });
    await world.grant(bank, customer, TICKET_DEBIT_CARD, other);
    await world.grant(bank, customer, TICKET_CREDIT_CARD, other);
    expect((await types(customer)).sort()).toEqual([TICKET_CREDIT_CARD, TICKET_DEBIT_CARD, TICKET_DEBIT_CARD]);
  });

  it("reads its cards with the account numbers masked", async () => {
    const tickets = await customer.device.agent.tickets();
    const accounts = tickets.map(({ components }) => components[1]).sort();
    expect(accounts).toEqual(["************1234", "************9999", "************9999"]);
  });

  it("refuses one that is not valid now, and keeps what it had", async () => {
    const before = await digest(customer);
    const expired = componentFields({ kind: "card", card: { ...CARD, expiry: NOW - 1 } });
    await expect(world.grant(bank, customer, TICKET_DEBIT_CARD, expired)).rejects.toBeInstanceOf(ReasonError);
    expect(await digest(customer)).toBe(before);
  });
});

describe("who may have what", () => {
  it.each([
    ["a customer a merchant credential", () => customer, command.acquire(TICKET_MERCHANT_CREDENTIAL)],
    ["a merchant a card", () => merchant, command.acquire(TICKET_DEBIT_CARD)],
    ["anyone an authority credential", () => merchant, command.acquire(TICKET_AUTHORITY_CREDENTIAL)],
    ["a customer serves", () => customer, command.serve()],
    ["a merchant buys", () => merchant, command.buy()],
    ["a merchant issues", () => merchant, command.issue()],
    ["a customer makes its own", () => customer, command.createOwn()],
    ["a merchant without credential serves", () => merchant, command.serve()],
  ])("not: %s", async (_what, device, order) => {
    const before = await digest(device());
    await expect(device().device.manager.command("agent", order)).rejects.toBeInstanceOf(StatusWordError);
    expect(await digest(device())).toBe(before);
  });
});
