/** `tally card lab` where there can be none; what it does where there can is looked at by `npm run test:readers`. */

import { expect, test } from "vitest";
import { LabError, packagesMissing, runInLab } from "../../host/cli/card-lab-run.js";
import { tally } from "../support/homes.js";
import { type MachineChanges, machineWith } from "../support/machine.js";

async function refusal(changes: MachineChanges): Promise<LabError> {
  const never = () => {
    throw new Error("it began");
  };
  const error = await runInLab(machineWith(changes), { readers: 2, command: ["true"] }, never).catch(
    (each: unknown) => each,
  );
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
}

test("another system than Linux has no labs", async () => {
  expect((await refusal({ platform: "darwin" })).message).toMatch(/namespaces of Linux.*no money moved.*Use a machine/);
});

test("what is missing is said by its packages, each once", async () => {
  const changes = { without: ["pcscd", "unshare", "setpriv"], folders: { "/usr/lib/pcsc/drivers/serial": [] } };
  expect(packagesMissing(machineWith(changes))).toEqual(["pcscd", "util-linux", "vsmartcard-vpcd"]);
  expect(packagesMissing(machineWith())).toEqual([]);
  expect((await refusal(changes)).message).toMatch(/Run: apt-get install pcscd util-linux vsmartcard-vpcd$/);
});

test("a number of readers that makes no sense is refused", async () => {
  for (const readers of ["0", "33", "two", "-1", "1.5"]) {
    expect((await tally("card", "lab", "--readers", readers, "--", "true")).code, readers).toBe(2);
  }
});
