"""The gateway: CreditInstitutionService towards a card host."""
