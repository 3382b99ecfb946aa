"""A recommender: from who asks, by the towers and the search, to items and the reasons for them."""
