"""The language: types, values, errors and the intermediate representation; numpy only."""
