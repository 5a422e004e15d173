"""A model beside others: `compare` runs what is missing and tests the differences, `report` draws them."""
