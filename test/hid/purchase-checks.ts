/** A purchase whose customer's chips are a USB device: whole, and with the device pulled out in the midst of it. */

import { deepEqual, equal } from "node:assert/strict";
import { AID_MONEY_MODULE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { TICKET_RECEIPT, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { answerResume, resume, settleAgent } from "../../host/applications/resume.js";
import { UsbPlaces } from "../../host/cards/usb-places.js";
import type { SimulatedChip } from "../../host/chips.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { Element } from "../../host/element.js";
import { systemTimers } from "../../host/services/clock.js";
import { StatusWordError } from "../../host/status-words.js";
import type { Transport } from "../../host/transport.js";
import { CardChannels } from "../../host/transports/card-channels.js";
import { type AgentDevice, AgentWorld, PIN } from "../support/agents.js";
import { balance, trade } from "../support/purchase.js";
import type { Checks } from "./checks.js";
import type { DeviceProcess } from "./parent.js";

const SERIAL = "CUSTOMER1";
const CUSTOMER_HAS = 5000n;
const MERCHANT_HAS = 10_000n;
const PRICE = 1000n;
/** Envelopes that have been carried when the device is pulled out: early, before and after the money goes over. */
const PULLED_AT = [6, 20, 32, 40];

class Shop {
  readonly world: AgentWorld;
  readonly #owner: DeviceProcess;
  readonly #merchant: AgentDevice;
  readonly #customer: AgentDevice;
  #transport: Transport | undefined;
  onEnvelope: (count: number) => void = () => undefined;
  #envelopes = 0;

  private constructor(world: AgentWorld, owner: DeviceProcess, merchant: AgentDevice, customer: AgentDevice) {
    this.world = world;
    this.#owner = owner;
    this.#merchant = { ...merchant, device: this.#device("Corner Shop", elementsOf(merchant)) };
    this.#customer = customer;
  }

  /** The customer's chips leave this process. */
  static async open(owner: DeviceProcess): Promise<Shop> {
    const world = new AgentWorld("usb");
    const [registry, bank] = [await world.authority("Registry"), await world.authority("First Bank")];
    const merchant = await world.merchant("Corner Shop", registry);
    const customer = await world.customer("Alice", bank);
    await world.fund([merchant, "USD 100.00"], [customer, "USD 50.00"]);
    const snapshot = ({ simulated }: SimulatedChip) => {
      simulated.powerOff();
      return simulated.snapshot();
    };
    const { agent, module } = chipsOf(customer);
    await owner.chips(SERIAL, { agent: snapshot(agent), module: snapshot(module) });
    return new Shop(world, owner, merchant, customer);
  }

  #device(name: string, elements: { agent: Element; module: Element }): Device {
    return new Device({
      ...{ name, ...elements, clock: this.world.time, timers: systemTimers, queryAfter_ms: 3000 },
      recorder: () => {
        this.#envelopes += 1;
        this.onEnvelope(this.#envelopes);
      },
    });
  }

  /** The customer's device, as a host that has just started finds it. */
  async customer(): Promise<AgentDevice> {
    await this.#transport?.close();
    const places = await new UsbPlaces().list();
    const place = places.find(({ locator }) => locator === `usb:${SERIAL}`);
    equal(place?.state, "card");
    const transport = await place?.connect();
    if (transport === undefined) throw new Error("no place");
    this.#transport = transport;
    const channels = new CardChannels(transport);
    const elements = {
      agent: await Element.select(await channels.open(), AID_TRUSTED_AGENT),
      module: await Element.select(await channels.open(), AID_MONEY_MODULE),
    };
    const device = this.#device("Alice", elements);
    await device.unlock(PIN);
    return { ...this.#customer, device };
  }

  async pull(): Promise<void> {
    await this.#owner.pull(SERIAL);
  }

  /** Buys; whether it went through as far as the customer's host knows, and what the card network approved. */
  async buy(customer: AgentDevice) {
    this.#envelopes = 0;
    let approval: Uint8Array | undefined;
    const sides = await trade(this.world, customer, this.#merchant, {
      type: TYPE_PURCHASE,
      merchant: {
        authorize: (asked) => {
          approval = this.world.approve(asked);
          return command.authorized(approval, this.world.network.chain);
        },
      },
    });
    return { sides, approval, envelopes: this.#envelopes };
  }

  /** Everybody gets power again, meets, and settles what is open. */
  async settle(approval: Uint8Array | undefined): Promise<AgentDevice> {
    await this.#owner.plug(SERIAL);
    const customer = await this.customer();
    const merchant = this.#merchant;
    await merchant.device.restart(PIN);
    const [near, far] = inProcessLink();
    await Promise.all([resume(customer.device, near), answerResume(merchant.device, far)]);
    if (approval !== undefined) await this.#tellMerchant(approval);
    for (const { device } of [customer, merchant]) {
      await settleAgent(device);
      deepEqual(await device.module.pending(), []);
    }
    return customer;
  }

  async #tellMerchant(approval: Uint8Array): Promise<void> {
    await this.#merchant.device.converse(undefined, "agent", async (conversation) => {
      try {
        await conversation.command(command.authorized(approval, this.world.network.chain));
      } catch (error) {
        // It knows already.
        if (!(error instanceof StatusWordError)) throw error;
      }
    });
  }

  /** Nothing is lost, and as many receipts are there as purchases were paid for; how many. */
  async audit(customer: AgentDevice): Promise<number> {
    const [ours, theirs] = [await balance(customer), await balance(this.#merchant)];
    equal(ours + theirs, CUSTOMER_HAS + MERCHANT_HAS);
    const bought = Number((ours - CUSTOMER_HAS) / PRICE);
    const tickets = await customer.device.agent.tickets();
    equal(tickets.filter(({ type }) => type === TICKET_RECEIPT).length, bought);
    return bought;
  }

  async close(): Promise<void> {
    await this.#transport?.close();
  }
}

function chipsOf({ agent, module }: AgentDevice): { agent: SimulatedChip; module: SimulatedChip } {
  if (module === undefined) throw new Error("a device with both chips");
  return { agent, module };
}

function elementsOf(device: AgentDevice): { agent: Element; module: Element } {
  const { agent, module } = chipsOf(device);
  return { agent: agent.element, module: module.element };
}

export async function checkPurchases(checks: Checks, owner: DeviceProcess): Promise<void> {
  const shop = await Shop.open(owner);
  let bought = 0;
  await checks.run("a whole purchase over USB", async () => {
    const customer = await shop.customer();
    const { sides, envelopes } = await shop.buy(customer);
    deepEqual([sides.customer.error, sides.merchant.error], [undefined, undefined]);
    bought = await shop.audit(customer);
    equal(bought, 1);
    console.log(`${envelopes} envelopes`);
  });
  for (const at of PULLED_AT) {
    await checks.run(`the device pulled out at envelope ${at} of a purchase, and resumed`, async () => {
      const customer = await shop.customer();
      let pulled: Promise<void> | undefined;
      shop.onEnvelope = (count) => {
        if (count === at) pulled = shop.pull();
      };
      const { approval } = await shop.buy(customer);
      shop.onEnvelope = () => undefined;
      if (pulled === undefined) throw new Error("the purchase was over before");
      await pulled;
      const now = await shop.audit(await shop.settle(approval));
      console.log(`${now === bought ? "not bought" : "bought"}`);
      bought = now;
    });
  }
  await shop.close();
}
