import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shownAddress } from './shown-address.ts'

test('an address is shown without user, password and the values of its query', () => {
  const shown = {
    'postgres://u:hunter2@db.example:5433/shop?sslmode=require': 'postgres://db.example:5433/shop?sslmode=…',
    'POSTGRES://u:hunter2@h/db': 'postgres://h/db',
    'mysql://u:hun@ter2@h/db': 'mysql://h/db',
    'opensearch+https://u:hunter2@h:9200/orders-of-a-very-long-name':
      'opensearch+https://h:9200/orders-of-a-very-long-name',
    'https://h/hooks/T0123456789012345678901234/x?token=hunter2&hunter2': 'https://h/hooks/…/x?token=…&…',
    'jdbc:postgresql://u:hunter2@h/db': 'jdbc:postgresql://h/db',
    ' mysql://u:hunter2@h/db': ' mysql://h/db',
  }
  for (const [address, expected] of Object.entries(shown)) assert.equal(shownAddress(address), expected)
})

test('an address that cannot be read shows no more than where it begins', () => {
  const shown = {
    'postgres://u:hun/ter2@h/db': 'postgres://…',
    'postgres://u:hun?ter2@h/db': 'postgres://…',
    'postgres://u:hun#ter2@h/db': 'postgres://…',
    'https://u:1/hunter2@h/db': 'https://u:1/…/db',
    'mysql:u:hunter2@h/db': 'mysql:…@h/db',
    'mysql:/u:hunter2@h/db': 'mysql:…@h/db',
    'u:hunter2@h/db': 'u:…@h/db',
    'https:h/hook?token=hunter2': 'https:h/hook?token=…',
  }
  for (const [address, expected] of Object.entries(shown)) assert.equal(shownAddress(address), expected)
})

test('an address of anything else is shown as it is', () => {
  for (const address of [
    'history',
    'queue:orders',
    'sqlite:./orders.db',
    './a/b.ts',
    'C:\\a\\b.ts',
    'a?.jsonl',
  ])
    assert.equal(shownAddress(address), address)
})
