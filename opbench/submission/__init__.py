"""Records of other people: `reproduce` asks whether they are true, `rescoring` scores them anew, `submit` packs them."""
