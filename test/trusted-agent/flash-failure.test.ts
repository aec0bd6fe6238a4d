/** A flash operation that fails ends its own command; the next one finds a store that works. */

import { expect, test } from "vitest";
import { SW_MEMORY_FAILURE } from "../../firmware/protocol/apdu.js";
import { StatusWordError } from "../../host/status-words.js";
import { AgentWorld, PIN } from "../support/agents.js";

test.each(["agent", "module"] as const)(
  "a write of the %s that failed does not stand in the way of the next",
  async (sort) => {
    const world = new AgentWorld("flash failure");
    const bank = await world.authority("First Bank");
    const { element, simulated } = (await world.customer("Alice", bank))[sort];
    let failures = 0;
    simulated.chip.onOperation = (operation) => {
      if (failures > 0 || operation.kind !== "flash-program") return undefined;
      failures += 1;
      return { fails: true };
    };
    const failed = await element.verifyPin(PIN).catch((error: unknown) => error);
    expect(failures).toBe(1);
    expect(failed).toBeInstanceOf(StatusWordError);
    expect((failed as StatusWordError).status).toBe(SW_MEMORY_FAILURE);
    await element.verifyPin(PIN);
  },
);
