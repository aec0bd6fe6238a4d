/**
 * The stage of the figures of WO 96/41315: device A (a customer) and device B (a merchant), both with agent and module, on
 * the release firmware, put back to one beginning before each test; and a `Story` of what they say. Two modules without
 * agents have a stage of their own.
 */

import { ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import type { SimulatedChip } from "../../host/chips.js";
import { toHex } from "../../host/codec/bytes.js";
import type { CborValue } from "../../host/codec/cbor.js";
import type { Disturbance, MessageFate } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { type AgentDevice, AgentWorld } from "./agents.js";
import { changedRecords, RecordReader, type Records } from "./conservation-records.js";
import { Story } from "./figures.js";
import { issue, type ModuleDevice, ModuleWorld } from "./modules.js";

export const QUERY_AFTER_MS = 1000;

export type FullDevice = AgentDevice & { readonly module: SimulatedChip };

export class FigureStage {
  A!: FullDevice;
  B!: FullDevice;
  readonly story = new Story();
  readonly #devices: ReadonlyMap<string, FullDevice>;
  readonly #beginning: ReadonlyMap<SimulatedChip, Uint8Array>;

  private constructor(
    readonly world: AgentWorld,
    readonly registry: AgentDevice,
    readonly bank: AgentDevice,
    devices: ReadonlyMap<string, FullDevice>,
  ) {
    this.#devices = devices;
    const chips = [...devices.values()].flatMap(({ agent, module }) => [agent, module]);
    for (const { simulated } of chips) this.story.watch(simulated.chip);
    this.#beginning = new Map(chips.map((chip) => [chip, chip.simulated.snapshot()]));
    for (const { device } of devices.values()) leave(device);
    this.reset();
  }

  /** A holds 50 dollars and a card, B holds 100 and a merchant's credential; both have dealt with nobody. */
  static async create(seed: string): Promise<FigureStage> {
    const world = new AgentWorld(seed);
    const registry = await world.authority("Registry");
    const bank = await world.authority("First Bank");
    const B = (await world.merchant("Corner Shop", registry)) as FullDevice;
    const A = (await world.customer("Alice", bank)) as FullDevice;
    await world.fund([B, "USD 100.00"], [A, "USD 50.00"]);
    return new FigureStage(world, registry, bank, new Map(Object.entries({ A, B })));
  }

  /** Chips as at the beginning, hosts that know nothing, no cheats. */
  reset(): void {
    for (const [chip, bytes] of this.#beginning) {
      chip.simulated.chip.onOperation = undefined;
      chip.simulated.restore(bytes);
    }
    this.story.clear();
    for (const known of [this.A, this.B]) if (known !== undefined) leave(known.device);
    this.A = this.#fresh("A");
    this.B = this.#fresh("B");
  }

  #fresh(name: string): FullDevice {
    const { agent, module } = this.#devices.get(name) as FullDevice;
    return { agent, module, device: this.watched(name, { agent, module }) };
  }

  /** A device of these chips whose envelopes are part of the story. */
  watched(name: string, chips: { readonly agent?: SimulatedChip; readonly module?: SimulatedChip }): Device {
    const { time } = this.world;
    for (const chip of [chips.agent, chips.module]) if (chip !== undefined) this.story.watch(chip.simulated.chip);
    return new Device({
      name,
      ...(chips.agent === undefined ? {} : { agent: chips.agent.element }),
      ...(chips.module === undefined ? {} : { module: chips.module.element }),
      clock: time,
      timers: time,
      queryAfter_ms: QUERY_AFTER_MS,
      recorder: this.story.recorder(name),
    });
  }

  /** Digest of the agents' stores: equal means exactly as before. */
  async agentStores(): Promise<string[]> {
    const digests = [this.A, this.B].map(({ device }) => device.agent.digest());
    return (await Promise.all(digests)).map(toHex);
  }

  async balances(): Promise<bigint[]> {
    return Promise.all([this.A, this.B].map(({ device }) => dollars(device)));
  }
}

/** A host that hands its chips to another one: its timers must not speak to them any more. */
function leave(device: Device): void {
  for (const sort of ["agent", "module"] as const) device.manager.disconnect(sort);
}

/** Spendable dollars of a device's module. */
export async function dollars(device: Device): Promise<bigint> {
  const balances = await device.module.balances();
  return balances.find(({ unit }) => unit.currency === 840)?.spendable ?? 0n;
}

/** Modules without agents: A and B of subscribers, T of a bank's teller. A holds 50, 20, 10 and 5 dollars, T the same. */
export class ModuleStage {
  A!: ModuleDevice;
  B!: ModuleDevice;
  T!: ModuleDevice;
  readonly story = new Story();
  readonly #devices: ReadonlyMap<string, ModuleDevice>;
  readonly #beginning: ReadonlyMap<ModuleDevice, Uint8Array>;

  private constructor(
    readonly world: ModuleWorld,
    devices: ReadonlyMap<string, ModuleDevice>,
    readonly reader: RecordReader,
  ) {
    this.#devices = devices;
    for (const { simulated } of devices.values()) this.story.watch(simulated.chip);
    this.#beginning = new Map([...devices.values()].map((device) => [device, device.simulated.snapshot()]));
    for (const { device } of devices.values()) leave(device);
    this.reset();
  }

  static async create(seed: string): Promise<ModuleStage> {
    const world = new ModuleWorld(seed);
    const { generator, teller: T } = await world.bank();
    const A = await world.module("A", ROLE_TRANSACTION);
    const B = await world.module("B", ROLE_TRANSACTION);
    await world.time.run(issue(generator, T, "170.00 USD", [5000n, 5000n, 2000n, 2000n, 1000n, 1000n, 500n, 500n]));
    for (const money of ["50.00 USD", "20.00 USD", "10.00 USD", "5.00 USD"]) await world.time.run(issue(T, A, money));
    return new ModuleStage(world, new Map(Object.entries({ A, B, T })), await RecordReader.create());
  }

  reset(): void {
    for (const [{ simulated }, bytes] of this.#beginning) {
      simulated.chip.onOperation = undefined;
      simulated.restore(bytes);
    }
    this.story.clear();
    for (const known of [this.A, this.B, this.T]) if (known !== undefined) leave(known.device);
    this.A = this.#fresh("A");
    this.B = this.#fresh("B");
    this.T = this.#fresh("T");
  }

  #fresh(name: string): ModuleDevice {
    const known = this.#devices.get(name) as ModuleDevice;
    const { time } = this.world;
    const recorder = this.story.recorder(name);
    const parts = { name, module: known.element, clock: time, timers: time, queryAfter_ms: QUERY_AFTER_MS, recorder };
    return { ...known, device: new Device(parts) };
  }

  records(module: ModuleDevice): Records {
    return this.reader.read(module);
  }

  /** Records that differ, but for the log and burnt counters (docs/PROTOCOLS.md, section 1, rule 6). */
  changes(module: ModuleDevice, before: Records) {
    return changedRecords(before, this.records(module));
  }
}

/** A link on which something happens to a message at the moment it is sent, known by what the story says it is. */
export function strikeAt(story: Story, text: string, fate: MessageFate, from = 1): Disturbance {
  let seen = 0;
  return () => {
    const last = story
      .sent()
      .filter((step) => step.to === "peer")
      .at(-1);
    if (last?.text !== text) return { kind: "deliver" };
    seen += 1;
    return seen >= from ? fate : { kind: "deliver" };
  };
}

/** Notices that a module's host got, oldest first: name and items. */
export function noticesOf(story: Story, device: string): { name: string; items: readonly CborValue[] }[] {
  return story.sent(`${device} module>host`).map(({ layers }) => {
    const [notice] = layers;
    return { name: notice?.name ?? "", items: notice?.items ?? [] };
  });
}
