/* The configuration of the ESP32-S3 as ESP-IDF makes it of Kconfig.projbuild and sdkconfig.defaults.esp32s3: what the board reads. */
#pragma once

#include "fakes/options.h"

#define CONFIG_TALLYSTICK_USB_HID 1
#define CONFIG_TALLYSTICK_APPLETS fake_options.applets
#define CONFIG_TALLYSTICK_CARD_STACK_BYTES FAKE_STACK_BYTES
