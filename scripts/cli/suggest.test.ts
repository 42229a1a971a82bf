import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean, suggest } from './suggest.ts'

const words = ['history', 'header', 'help', 'broker', 'batch', 'json']

test('one slip of the finger is recognised: wrong, missing, too many, swapped', () => {
  for (const typed of ['histiry', 'histry', 'historyy', 'histroy', 'History']) {
    assert.equal(suggest(typed, words), 'history', typed)
  }
})

test('the beginning of a word is recognised', () => {
  assert.equal(suggest('hist', words), 'history')
  assert.equal(suggest('bro', words), 'broker')
})

test('what is near to nothing gets no suggestion', () => {
  assert.equal(suggest('frobnicate', words), undefined)
  assert.equal(suggest('x', words), undefined)
  assert.equal(didYouMean('frobnicate', words), '')
  assert.equal(didYouMean('histroy', words, '--'), ' (did you mean --history?)')
})

test('of several near ones it is the nearest', () => {
  assert.equal(suggest('hlep', words), 'help')
  assert.equal(suggest('heade', words), 'header')
})
