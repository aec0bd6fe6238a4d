/** Every generated file with its text. */

import { constantsText, importsText } from "./assemblyscript.js";
import { headerText } from "./c.js";
import { typescriptText } from "./typescript.js";
import { usbHeaderText } from "./usb.js";
import { wamrSource } from "./wamr.js";
import { bindingSource, callsSource } from "./wasm2c.js";

export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

export function generatedFiles(): readonly GeneratedFile[] {
  return [
    { path: "firmware/platform/imports.ts", text: importsText() },
    { path: "firmware/platform/constants.ts", text: constantsText() },
    { path: "simulator/platform.generated.ts", text: typescriptText() },
    { path: "hardware/platform.generated.h", text: headerText() },
    { path: "hardware/usb.generated.h", text: usbHeaderText() },
    { path: "hardware/wasm/binding.generated.c", text: bindingSource() },
    { path: "hardware/wamr/imports.generated.c", text: wamrSource() },
    { path: "test/hardware/calls.generated.c", text: callsSource() },
  ];
}
