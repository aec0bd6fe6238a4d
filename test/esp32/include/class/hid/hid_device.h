/* Of TinyUSB from 0.16 on, src/class/hid/hid_device.h, and from hid.h the kinds of report: what the board uses. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum {
  HID_REPORT_TYPE_INVALID = 0,
  HID_REPORT_TYPE_INPUT,
  HID_REPORT_TYPE_OUTPUT,
  HID_REPORT_TYPE_FEATURE,
} hid_report_type_t;

bool tud_hid_ready(void);
bool tud_hid_report(uint8_t report_id, void const *report, uint16_t len);

/* What the application defines. */
uint8_t const *tud_hid_descriptor_report_cb(uint8_t instance);
uint16_t tud_hid_get_report_cb(
    uint8_t instance,
    uint8_t report_id,
    hid_report_type_t report_type,
    uint8_t *buffer,
    uint16_t reqlen);
void tud_hid_set_report_cb(
    uint8_t instance,
    uint8_t report_id,
    hid_report_type_t report_type,
    uint8_t const *buffer,
    uint16_t bufsize);
void tud_hid_report_complete_cb(uint8_t instance, uint8_t const *report, uint16_t len);
